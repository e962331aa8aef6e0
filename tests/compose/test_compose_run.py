"""compose.yaml on a real engine: `make test-compose`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from tests.compose.stack import Stack, healthy, rest, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

DELIVERED = """
import asyncio, nats
async def main():
    bus = await nats.connect(open("/run/secrets/nats_url_operator").read().strip())
    consumer = await bus.jetstream().consumer_info("TRANSCRIPTS", "embedder")
    stream = await bus.jetstream().stream_info("TRANSCRIPTS")
    print(consumer.delivered.consumer_seq - stream.state.messages, consumer.num_redelivered)
asyncio.run(main())
"""
"""How often messages were delivered again."""


def test_it_starts_reads_a_closed_folder_and_every_command_works_inside_and_from_outside(stack: Stack) -> None:
    until(lambda: healthy(stack))
    until(stack.balanced)
    for words in (
        ["status"],
        ["verify", "--all"],
        ["doctor"],
        ["search", "first asks 1"],
        ["sessions"],
        ["show", "first"],
        ["deadletters", "list"],
    ):
        done = stack.mnemo(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert "first asks 1" in stack.mnemo("search", "first asks 1").stdout
    backup = ["backup", str(stack.folder / "backups")]
    for words in (["status"], ["search", "first asks 1"], ["sessions"], ["deadletters", "list"], backup):
        done = stack.outside("-m", "mnemostream", *words, "--data", str(stack.folder / ".secrets"))
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def test_containers_are_closed_and_know_no_password(stack: Stack) -> None:
    secrets = stack.folder / ".secrets"
    lines = (secrets / "nats_passwords").read_text().splitlines()
    passwords = {line.partition(":")[2].strip().strip('"') for line in lines}
    passwords |= {(secrets / f"{name}_password").read_text() for name in ("postgres", "writer", "reader")}
    passwords.add((secrets / "health_token").read_text())
    assert len(passwords) == 11
    assert all(len(word) > 20 for word in passwords)
    for one in stack.containers():
        text = json.dumps(one)
        assert not [word for word in passwords if word in text], one["Name"]
        assert one["HostConfig"]["ReadonlyRootfs"], one["Name"]
        assert one["HostConfig"]["CapDrop"] == ["ALL"], one["Name"]
    sizes = {
        name: int(subprocess.run(["docker", "image", "inspect", "-f", "{{.Size}}", name], capture_output=True).stdout)
        / 1e6
        for name in ("mnemostream:latest", "mnemostream-embedder:latest")
    }
    sys.stderr.write(f"images, MB: {sizes}\n")
    assert sizes["mnemostream:latest"] <= 250


def test_scaling_up_and_down_under_load_raises_no_alarm_and_delivers_nothing_twice(stack: Stack) -> None:
    seen: set[str] = set()

    def looks() -> None:
        told = stack.health()
        seen.add(f"{told['status']} {told['cause']}")

    for number in range(300):
        stack.write(f"load-{number}", 40)
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "embedder=8")
    workers = stack.containers("embedder")
    assert len(workers) == 8

    def shared() -> None:
        looks()
        instances = stack.health()["stages"]["embedder"]["instances"]
        assert len(instances) == 8
        assert all(one["processed"] for one in instances.values()), {n: o["processed"] for n, o in instances.items()}

    until(shared)
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "embedder=1")
    until(stack.balanced, 300)
    for _ in range(20):
        looks()
        rest(0.5)
    assert {words.split()[0] for words in seen} == {"healthy"}, seen
    told = stack.compose("run", "--rm", "-T", "--entrypoint", "python", "mnemo", "-c", DELIVERED).stdout.split()
    assert told == ["0", "0"], told


def test_random_kills_lose_and_double_nothing(stack: Stack) -> None:
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "embedder=2")
    for number in range(20):
        stack.write(f"kill-{number}", 30)
        victim = random.choice(stack.running())
        os.kill(victim["State"]["Pid"], signal.SIGKILL)
        rest(random.uniform(0.5, 3))
    until(lambda: healthy(stack), 300)
    until(stack.balanced, 300)
    done = stack.mnemo("verify", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.ledger()["total"]["log_bytes"] == sum(file.stat().st_size for file in stack.transcripts.iterdir())
    assert all(
        one["State"]["Running"]
        for one in stack.containers("watcher", "embedder", "writer", "health", "nats", "postgres")
    )
