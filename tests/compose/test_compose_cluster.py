"""The profiles of compose.yaml on a real engine: three servers of NATS, Prometheus beside the services."""

from __future__ import annotations

import os
import signal

import pytest

from tests.compose.stack import Stack, healthy, rest, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

OPTIONS = ["--env-file", ".env", "--env-file", "ops/cluster.env"]
REPLICAS = """
import asyncio, nats
async def main():
    bus = await nats.connect(open("/run/secrets/nats_url_operator").read().strip())
    for name in ("TRANSCRIPTS", "EMBEDDINGS", "DEADLETTERS"):
        info = await bus.jetstream().stream_info(name)
        peers = info.cluster.replicas or []
        print(name, info.config.num_replicas, sum(1 for peer in peers if peer.current), info.cluster.leader)
    await bus.close()
asyncio.run(main())
"""


def copies(stack: Stack) -> list[list[str]]:
    done = stack.compose("run", "--rm", "-T", "--entrypoint", "python", "mnemo", "-c", REPLICAS)
    return [line.split() for line in done.stdout.splitlines()]


def test_three_servers_hold_every_message_and_each_may_be_killed(stack: Stack) -> None:
    until(lambda: healthy(stack))
    until(stack.balanced)

    def complete() -> None:
        assert [line[:3] for line in copies(stack)] == [
            [name, "3", "2"] for name in ("TRANSCRIPTS", "EMBEDDINGS", "DEADLETTERS")
        ]

    until(complete)
    for number, victim in enumerate(("nats", "nats-2", "nats-3")):
        [server] = stack.running(victim)
        os.kill(server["State"]["Pid"], signal.SIGKILL)
        stack.write(f"killed-{number}", 20)
        until(stack.balanced)
        until(complete)
    # One that stays away: the other two go on.
    stack.compose("stop", "-t", "1", "nats-2")
    stack.write("without-one", 20)
    until(stack.balanced)
    stack.compose("start", "nats-2")
    until(complete)
    until(lambda: healthy(stack), 300)
    done = stack.mnemo("verify", "--all")
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_metrics_and_the_rules(stack: Stack) -> None:
    if "MNEMO_COMPOSE_PROMETHEUS_IMAGE" not in stack.env:
        pytest.skip("no Prometheus on this machine to make a stand-in of")
    stack.compose("--profile", "monitoring", "up", "-d", "--no-build", "--no-deps", "prometheus")

    def scraped() -> None:
        done = stack.outside("-c", ASK, "http://127.0.0.1:9090/api/v1/query?query=up")
        assert '"1"' in done.stdout, done.stdout + done.stderr

    until(scraped)
    rules = stack.outside("-c", ASK, "http://127.0.0.1:9090/api/v1/rules").stdout
    assert rules.count('"type":"alerting"') >= 10, rules[:500]
    rest(0.1)


ASK = "import httpx, sys; print(httpx.Client(trust_env=False).get(sys.argv[1]).text)"
