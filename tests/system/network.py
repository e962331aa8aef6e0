"""Two network namespaces with a cable between them that can be pulled. Needs root and iproute2."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

SERVER = "10.99.0.1"


def told(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


class Network:
    """Use `laid`."""

    def __init__(self, name: str) -> None:
        self.spaces = {"server": f"{name}-s", "edge": f"{name}-e"}

    def within(self, where: str) -> list[str]:
        """What comes before a command that runs there."""
        return ["nsenter", f"--net=/run/netns/{self.spaces[where]}"]

    def cable(self, *, plugged: bool) -> None:
        """Without it no packet comes through, and nobody is told."""
        told("ip", "-n", self.spaces["server"], "link", "set", "cable", "up" if plugged else "down")


@contextmanager
def laid() -> Iterator[Network]:
    """Skips where none can be made."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("nsenter") or sys.platform != "linux":
        pytest.skip("only root makes network namespaces, with iproute2, on Linux")
    network = Network(f"mnemo-{os.getpid()}")
    server, edge = network.spaces.values()
    try:
        try:
            for space in (server, edge):
                told("ip", "netns", "add", space)
                told("ip", "-n", space, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
        told("ip", "link", "add", "cable", "netns", server, "type", "veth", "peer", "name", "cable", "netns", edge)
        for space, address in ((server, f"{SERVER}/24"), (edge, "10.99.0.2/24")):
            told("ip", "-n", space, "addr", "add", address, "dev", "cable")
            told("ip", "-n", space, "link", "set", "cable", "up")
        yield network
    finally:
        for space in (server, edge):
            with suppress(subprocess.CalledProcessError):
                told("ip", "netns", "del", space)
