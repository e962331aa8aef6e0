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
from pathlib import Path

import pytest

from tests.compose.stack import Stack, healthy, rest, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

AWAY_SECONDS = 60.0
TABLE: list[tuple[str, float]] = []
SERVICES = ("watcher", "embedder", "writer", "health")


def pid(stack: Stack, service: str) -> int:
    """The service itself: the child of the container's init."""
    [container] = stack.running(service)
    init = int(container["State"]["Pid"])
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(init)], capture_output=True, text=True).stdout.split()
    return int(children[0]) if children else init


def healed(stack: Stack, what: str, harm: Callable[[], object]) -> None:
    """Harms, writes, and waits until what was written is stored and embedded."""
    began = time.monotonic()
    harm()
    stack.write(f"after-{len(TABLE)}", 2)
    until(stack.balanced, 300)
    TABLE.append((what, time.monotonic() - began))
    sys.stderr.write(f"healing: {what:<30} {TABLE[-1][1]:6.1f} s\n")


HOG = "b = []\nwhile True: b.append(bytearray(1 << 24))"


def squeezed(stack: Stack, service: str) -> None:
    """Another process takes the container's memory; the kernel ends the service, which is to be ended first."""
    [container] = stack.containers(service)
    limit(container["Id"], "1g")
    Path(f"/proc/{pid(stack, service)}/oom_score_adj").write_text("1000")
    subprocess.run(["docker", "exec", container["Id"], "python", "-c", HOG], capture_output=True)

    def again() -> None:
        [now] = stack.containers(service)
        assert now["RestartCount"] > container["RestartCount"], now["State"]

    until(again, 60)
    limit(container["Id"], "4g")


def limit(container: str, size: str) -> None:
    command = ["docker", "update", "--memory", size, "--memory-swap", size, container]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this engine changes no limits: {done.stderr.strip()}")


def away(stack: Stack, service: str) -> None:
    stack.compose("stop", "-t", "1", service)
    stack.write(f"without-{service}", 5)
    rest(AWAY_SECONDS)
    stack.compose("start", service)


def test_services_that_are_killed_or_frozen_serve_again(stack: Stack) -> None:
    until(lambda: healthy(stack))
    for service in SERVICES:
        healed(stack, f"{service}: SIGKILL", lambda: os.kill(pid(stack, service), signal.SIGKILL))  # noqa: B023
    healed(stack, "all four: SIGSTOP", lambda: [os.kill(pid(stack, one), signal.SIGSTOP) for one in SERVICES])
    until(lambda: healthy(stack), 300)


def test_services_that_run_out_of_memory_serve_again(stack: Stack) -> None:
    for service in SERVICES:
        healed(stack, f"{service}: out of memory", lambda: squeezed(stack, service))  # noqa: B023
    until(lambda: healthy(stack), 300)


@pytest.mark.parametrize("service", ["nats", "postgres"])
def test_a_server_that_is_gone_for_a_minute_costs_nothing(stack: Stack, service: str) -> None:
    healed(stack, f"{service}: SIGKILL", lambda: os.kill(pid(stack, service), signal.SIGKILL))
    healed(stack, f"{service}: gone for a minute", lambda: away(stack, service))
    done = stack.mnemo("verify", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
