"""The bus and the consumer loop against a real nats-server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest
from nats.js import api

from mnemostream.contracts import topology
from mnemostream.contracts.events import Event
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, provision
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Misconfigured, Transient
from tests import proxy
from tests.conftest import eventually
from tests.integration.bus_parts import Worker, _to, count, lag, segment


async def test_a_transient_failure_holds_the_messages_and_uses_up_no_delivery(operator: Bus) -> None:
    attempts = 0

    async def do(events: Sequence[Event]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise Transient("the database is away")

    await operator.publish(segment(1))
    worker = Worker(operator, do)

    async def settled() -> None:
        assert await lag(operator) == 0
        assert worker.beat.processed == 1

    await eventually(settled)
    await worker.done()
    assert (attempts, worker.beat.failed, worker.beat.consecutive_failures) == (4, 3, 0)
    assert (await operator.stream.consumer_info("TRANSCRIPTS", "writer")).num_redelivered == 0


async def test_a_bug_ends_the_loop_with_the_message_unsettled(operator: Bus) -> None:
    async def do(events: Sequence[Event]) -> None:
        raise ZeroDivisionError

    await operator.publish(segment(1))
    worker = Worker(operator, do)
    with pytest.raises(ZeroDivisionError):
        await worker.task
    assert await lag(operator) == 1


async def test_a_missing_consumer_is_a_matter_for_a_person(operator: Bus) -> None:
    await operator.stream.delete_consumer("TRANSCRIPTS", "writer")

    async def do(events: Sequence[Event]) -> None:
        raise AssertionError("nothing comes")

    with pytest.raises(Misconfigured, match="missing"):
        await Worker(operator, do).task


async def test_a_killed_server_is_waited_for_and_nothing_is_lost(nats: Nats, operator: Bus) -> None:
    await operator.publish_all([segment(number) for number in range(50)])
    child = nats.child  # type: ignore[attr-defined]
    os.kill(child.process.pid, signal.SIGKILL)

    async def again() -> None:
        try:
            await operator.publish_all([segment(number) for number in range(100)])
        except Transient as error:
            raise AssertionError(error) from error

    await eventually(again)
    assert await count(operator) == 100


async def test_streams_are_as_designed(operator: Bus) -> None:
    config = (await operator.stream.stream_info("TRANSCRIPTS")).config
    assert (config.discard, config.storage, config.max_age) == (api.DiscardPolicy.NEW, api.StorageType.FILE, 0)
    assert config.max_bytes > 0
    assert config.allow_atomic


async def test_a_bound_that_somebody_set_stays_at_the_next_start(nats: Nats, operator: Bus) -> None:
    async def bound(**more: int) -> tuple[int, int]:
        await provision.main(provision.Settings(nats_url=nats.url("operator"), **more), asyncio.Event())
        config = (await operator.stream.stream_info("TRANSCRIPTS")).config
        return int(config.max_bytes or 0), int(config.num_replicas or 0)

    assert await bound() == (topology.TRANSCRIPTS.max_bytes, 1)
    assert await bound(stream_max_bytes=400_000_000) == (400_000_000, 1)
    assert await bound() == (400_000_000, 1)


async def test_the_user_system_asks_for_health_and_may_do_nothing_else(nats: Nats) -> None:
    assert await nats.complaint(5.0) == ""
    async with bus.connect(nats.url("system"), "test") as system:
        system.stream._timeout = 1
        with pytest.raises(Exception, match=r"timeout|no responders"):
            await system.stream.stream_info("TRANSCRIPTS")


async def test_an_attempt_to_reconnect_that_nobody_answers_is_closed(nats: Nats) -> None:
    """A server that takes connections and says nothing, as a frozen one does."""
    async with (
        proxy.opened(nats.port) as way,
        bus.connect(nats.url("health").replace(str(nats.port), str(way.port)), "a watcher") as connection,
    ):
        connection.client.options["connect_timeout"] = 0.3
        attempts: set[int] = set()
        way.cut()
        way.reset()

        async def tried() -> None:
            attempts.update(one.laddr.port for one in _to(way.port))
            assert len(attempts) >= 4

        await eventually(tried)
        assert len(_to(way.port)) <= 1  # the one that is being tried now
        way.heal()

        async def back() -> None:
            assert connection.client.is_connected

        await eventually(back)
