"""Free ports on loopback, claimed for as long as a start needs them."""

from __future__ import annotations

import random
import socket
import sys

ANY = range(20_000, 32_768)
"""Where a free port is looked for if none is wanted: below those that the kernel gives to outgoing connections (Linux
from 32768, macOS from 49152), which could take it before the server listens."""


class Port:
    """A port on loopback that no other `mnemo up` takes meanwhile. The kernel frees it when this process ends."""

    def __init__(self, number: int, claim: socket.socket | None) -> None:
        self.number = number
        self._claim = claim

    def close(self) -> None:
        if self._claim:
            self._claim.close()


def free_port(wanted: int) -> Port:
    """`wanted` if it is free on loopback, else the next free one; 0 = any. Raises RuntimeError.

    Between the look and the moment at which the server listens, another start could take the port: a name in Linux'
    abstract namespace of sockets, which is as wide as that of the ports, is the claim.
    """
    for port in range(wanted, min(wanted + 200, 65536)) if wanted else random.sample(ANY, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return Port(port, _claim(port))
            except OSError:
                continue
    raise RuntimeError(f"no free port found, starting at {wanted}")


def is_free(port: int) -> bool:
    """True if a start would get this very port."""
    claim = free_port(port)
    claim.close()
    return claim.number == port


def _claim(port: int) -> socket.socket | None:
    """Raises OSError when another process claims the port."""
    if sys.platform != "linux":
        return None
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0mnemostream:{port}")
    except OSError:
        claim.close()
        raise
    return claim
