"""The health service on real NATS and PostgreSQL, over HTTP, with a clock of the test's own where time matters."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.local.child import Child
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import provision
from mnemostream.runtime.bus import Bus, connect
from tests.conftest import eventually
from tests.integration.health_service import (
    STAGES,
    _true,
    frozen,
    healthy,
    processes,
)


async def test_answers_do_not_wait_for_frozen_servers(service: Any, nats: Nats, database: str) -> None:
    """200 instances beat, then NATS and PostgreSQL freeze; `bench/health_latency.py` has the figures."""
    one = await service(probe_seconds=0.5)
    for number in range(200):
        await one.beat(STAGES[number % 3], instance=f"{STAGES[number % 3]}-{number}", boot_id=f"b{number}")

    async def counted() -> None:
        stages = (await one.get()).json()["stages"]
        assert sum(len(stage["instances"]) for stage in stages.values()) == 200

    await eventually(counted)
    postgres = next(
        process
        for process in psutil.Process().children()
        if "postgres" in process.name() and f"-D {Path(nats.data)}" in " ".join(process.cmdline())
    )
    held = [*processes(postgres.pid)]
    for process in held:
        process.suspend()
    try:
        async with frozen(nats.child):  # type: ignore[attr-defined]

            async def named() -> None:
                answer = await one.get()
                assert answer.status_code == 503
                assert answer.json()["bus"]["status"] == "unreachable"
                assert answer.json()["database"]["status"] == "unreachable"

            await eventually(named, within=20)
            took = []
            for path in ("health", "stats", "ledger", "recent", "timeline", "deadletters", "metrics") * 30:
                began = time.perf_counter()
                assert (await one.get(path)).status_code in (200, 503)
                took.append(time.perf_counter() - began)
            assert statistics.median(took) < 0.25  # a wide bound: a handler that waited would take seconds
            began = time.perf_counter()
            assert (await one.get("conversation/x")).status_code == 503  # the one that asks the database gives up
            assert time.perf_counter() - began < 15
    finally:
        for process in held:
            process.resume()
    await one.beat()

    async def known_again() -> None:
        assert (await one.get()).json()["bus"]["status"] == "reachable"

    await eventually(known_again)


# --- the timeline, restarts ---------------------------------------------------------------------------------------


async def test_a_restart_forgets_nothing_and_does_not_flicker(service: Any, operator: Bus) -> None:
    one = await service(instance="first")
    await healthy(one)
    for count in (1, 2, 3):
        await one.beat(Stage.WRITER, consecutive_failures=count, last_error="it hurts", processed=0)
    before = await one.passed(0)
    assert before["stages"]["writer"]["status"] == "degraded"
    two = await service(instance="second")  # beside the first one: both read the same streams
    seen = [(await two.get()).json()]
    for _ in range(20):
        seen.append((await two.get()).json())
    known = [answer for answer in seen if answer["stages"]]
    assert {answer["stages"]["writer"]["status"] for answer in known} == {"degraded"}
    assert known[-1]["stages"]["writer"]["consecutive_failures"] == 3
    assert known[-1]["stages"]["writer"]["since"] == before["stages"]["writer"]["since"]
    kept = await operator.stream.get_last_msg(topology.HEALTH.name, subjects.health_changed("writer"))
    change = codec.decode(kept.data or b"")
    assert (change.component, change.before, change.after) == ("writer", "healthy", "degraded")  # type: ignore[union-attr]
    told = (await two.get("timeline?days=1&limit=100")).json()["changes"]
    assert any(one_["component"] == "writer" and one_["after"] == "degraded" for one_ in told)


async def test_heartbeats_come_back_after_a_restart_of_nats(service: Any, nats: Nats) -> None:
    """Their stream is in memory: a server that is alone forgets it."""
    one = await service(instance="first")
    await healthy(one)
    child: Child = nats.child  # type: ignore[attr-defined]
    assert child.process
    os.kill(child.process.pid, signal.SIGKILL)

    await eventually(lambda: _true(child.restarts > 0))

    async def found() -> None:
        answer = (await one.get()).json()
        assert (answer["bus"]["status"], answer["issues"]) == ("reachable", []), answer["issues"]
        await one.bus.stream.stream_info(topology.HEARTBEATS.name)

    async def made() -> None:
        try:
            await found()
        except (NatsError, APIError) as error:
            raise AssertionError(error) from error

    await eventually(made)
    two = await service(instance="second")
    assert (await two.get()).json()["bus"]["status"] == "reachable"


async def test_strange_messages_end_nothing_and_nobody_speaks_for_another(
    service: Any, nats: Nats, operator: Bus
) -> None:
    await operator.stream.publish(subjects.health_changed("writer"), b'{"type":"HealthChanged","version":2}')
    await operator.stream.publish(subjects.health_changed("writer"), b"[" * 100_000)
    one = await service()
    await healthy(one)
    async with connect(nats.url("watcher"), "a watcher that lies") as watcher:
        forged = Heartbeat(Stage.WRITER, "forged", "b", 1, one.clock.now(), Phase.RUNNING, 5.0, 9.0, 1, "0")
        huge = msgspec.structs.replace(forged, stage=Stage.WATCHER, vitals=WatcherVitals(backlog_bytes=10**300))
        for payload in (codec.encode(forged), codec.encode(huge), b"[" * 100_000, b"\xff", b"{}"):
            await watcher.client.publish(subjects.heartbeat(Stage.WATCHER, "forged"), payload)
        await watcher.client.flush()
    answer = await one.passed(0)
    assert "forged" not in json.dumps(answer)
    again = await service(instance="again")  # reads the same messages from the stream
    assert (await again.passed(0))["status"] == "healthy"


# --- wiring -------------------------------------------------------------------------------------------------------


async def test_wiring_faults_are_named_and_mended(service: Any, nats: Nats, operator: Bus) -> None:
    one = await service()
    await healthy(one)

    async def writer(status: str, word: str) -> None:
        found = (await one.get()).json()["stages"]["writer"]
        assert found["status"] == status, found
        assert word in found["cause"], found

    pause = "$JS.API.CONSUMER.PAUSE.TRANSCRIPTS.writer"
    await operator.client.request(pause, b'{"pause_until":"2099-01-01T00:00:00Z"}')
    await eventually(lambda: writer("unhealthy", "is paused"))
    await operator.client.request(pause, b"{}")
    await eventually(lambda: writer("healthy", ""))
    await operator.stream.delete_consumer("TRANSCRIPTS", "writer")
    await eventually(lambda: writer("unhealthy", "is missing"))
    await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
    await one.beat()
    await eventually(lambda: writer("degraded", "was recreated"))
    await one.passed(61, beating=STAGES)
    await eventually(lambda: writer("healthy", ""))
    await operator.stream.delete_stream(topology.EMBEDDINGS.name)
    await eventually(lambda: writer("unhealthy", "stream EMBEDDINGS is missing"))
