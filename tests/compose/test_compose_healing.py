"""Containers heal by themselves, without the engine's socket: times from the fault until everything written is stored.

The times are printed as a table (docs/recovery.md has one); asserted is that it heals, within wide bounds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.compose.stack import Stack, healthy, rest, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

AWAY_SECONDS = 60.0
TABLE: list[tuple[str, str, float, float]] = []


def pid(stack: Stack, service: str) -> int:
    """The service itself: the child of the container's init."""
    [container] = stack.containers(service)
    init = int(container["State"]["Pid"])
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(init)], capture_output=True, text=True).stdout.split()
    return int(children[0]) if children else init


def healed(stack: Stack, what: str, service: str, harm: Callable[[], None]) -> None:
    """Harms, writes, and waits until what was written is stored, and all are healthy."""
    until(lambda: healthy(stack), 300)
    began = time.monotonic()
    harm()
    stack.write(f"after-{len(TABLE)}", 2)
    until(stack.balanced, 300)
    stored = time.monotonic() - began
    until(lambda: healthy(stack), 300)
    TABLE.append((service, what, stored, time.monotonic() - began))
    sys.stderr.write(f"healing: {service:<9} {what:<22} stored {stored:6.1f} s, healthy {TABLE[-1][3]:6.1f} s\n")


@pytest.mark.parametrize("service", ["watcher", "embedder", "writer", "health"])
def test_a_service_that_is_killed_or_frozen_or_out_of_memory_serves_again(stack: Stack, service: str) -> None:
    healed(stack, "SIGKILL", service, lambda: os.kill(pid(stack, service), signal.SIGKILL))
    healed(stack, "SIGSTOP", service, lambda: os.kill(pid(stack, service), signal.SIGSTOP))
    [container] = stack.containers(service)

    def squeezed() -> None:
        name, before = container["Id"], container["State"]["StartedAt"]
        limit(name, "20m")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            [now] = stack.containers(service)
            if now["RestartCount"] > container["RestartCount"] or now["State"]["StartedAt"] != before:
                break
            rest(0.2)
        limit(name, "4g")

    healed(stack, "out of memory", service, squeezed)


def limit(container: str, size: str) -> None:
    subprocess.run(
        ["docker", "update", "--memory", size, "--memory-swap", size, container], check=True, capture_output=True
    )


@pytest.mark.parametrize("service", ["nats", "postgres"])
def test_a_server_that_is_gone_for_a_minute_costs_nothing(stack: Stack, service: str) -> None:
    def away() -> None:
        stack.compose("stop", "-t", "1", service)
        stack.write(f"without-{service}", 5)
        rest(AWAY_SECONDS)
        stack.compose("start", service)

    healed(stack, "gone for a minute", service, away)
    healed(stack, "SIGKILL", service, lambda: os.kill(pid(stack, service), signal.SIGKILL))
    done = stack.mnemo("verify", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
