"""The bus and the consumer loop against a real nats-server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any

import msgspec
import psutil
import pytest
from nats.js import api

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Event, Stage
from contracts.transcripts import TranscriptChanged
from local.nats_server import Nats
from runtime import bus, provision
from runtime.bus import Bus, Message
from runtime.clock import SystemClock
from runtime.delivery import consume
from runtime.delivery.settle import Work
from runtime.errors import Misconfigured, Permanent, Transient
from runtime.heartbeat import Beat
from tests import proxy
from tests.conftest import ROOT, eventually

GOLDEN = codec.decode((ROOT / "contracts/golden/TranscriptChanged.v1.json").read_bytes())


def segment(number: int) -> Message:
    assert isinstance(GOLDEN, TranscriptChanged)
    event = msgspec.structs.replace(GOLDEN, start=number, end=number + 1)
    return Message(subjects.changed("s", "t"), codec.encode(event), codec.segment_message_id(event))


async def count(nats: Bus, stream: str = "TRANSCRIPTS") -> int:
    return (await nats.stream.stream_info(stream)).state.messages


def beat() -> Beat:
    return Beat(Stage.WRITER, "test", 5.0, SystemClock())


async def test_a_batch_is_stored_once_however_often_it_is_sent(operator: Bus) -> None:
    messages = [segment(number) for number in range(250)]
    await operator.publish_all(messages)
    await operator.publish_all(messages[:120])
    await operator.publish_all([*messages[200:], segment(900)])
    assert await count(operator) == 251


async def test_provisioning_widens_what_an_earlier_version_made_and_keeps_position_and_model(
    nats: Nats, operator: Bus
) -> None:
    settings = provision.Settings(nats_url=nats.url("operator"), model="some-model")
    await provision.main(settings, asyncio.Event())
    name = topology.TRANSCRIPTS.name
    former = (await operator.stream.consumer_info(name, "embedder")).config
    former.filter_subject = subjects.CHANGED
    await operator.stream.add_consumer(name, former)
    stream = (await operator.stream.stream_info(name)).config
    stream.subjects = [subjects.CHANGED]
    await operator.stream.update_stream(stream)
    assert isinstance(GOLDEN, TranscriptChanged)
    await operator.publish(Message(subjects.changed("x", "y"), codec.encode(GOLDEN), "one"))
    subscription = await operator.stream.pull_subscribe_bind("embedder", name)
    for message in await subscription.fetch(1, timeout=5):
        await message.ack_sync()
    await provision.main(settings, asyncio.Event())
    found = await operator.stream.consumer_info(name, "embedder")
    assert found.config.filter_subject == subjects.TRANSCRIPTS
    assert (found.config.metadata or {})["model"] == "some-model"
    assert (found.num_pending, found.ack_floor.stream_seq if found.ack_floor else 0) == (0, 1)
    assert set((await operator.stream.stream_info(name)).config.subjects or []) == set(topology.TRANSCRIPTS.subjects)


async def test_provisioning_twice_changes_nothing_and_drift_is_refused(nats: Nats, operator: Bus) -> None:
    settings = provision.Settings(nats_url=nats.url("operator"))
    await provision.main(settings, asyncio.Event())
    config = (await operator.stream.stream_info("DEADLETTERS")).config
    config.max_msgs_per_subject = 9
    await operator.stream.update_stream(config)
    with pytest.raises(Misconfigured, match="max_msgs_per_subject"):
        await provision.main(settings, asyncio.Event())


async def test_another_model_embeds_the_whole_log_again(nats: Nats, operator: Bus) -> None:
    await operator.publish(segment(1))

    async def ready_for(model: str) -> int:
        settings = provision.Settings(nats_url=nats.url("operator"), model=model)
        await provision.main(settings, asyncio.Event())
        return (await operator.stream.consumer_info("TRANSCRIPTS", "embedder")).num_pending or 0

    await ready_for("one")
    subscription = await operator.stream.pull_subscribe_bind("embedder", "TRANSCRIPTS")
    await (await subscription.fetch(1))[0].ack_sync()
    assert await ready_for("one") == 0
    assert await ready_for("two") == 1


async def test_services_may_not_purge(nats: Nats) -> None:
    async with bus.connect(nats.url("writer"), "test") as writer:
        await writer.publish(Message(subjects.deadletter(Stage.WRITER), b"x", "one"))
        writer.stream._timeout = 1
        with pytest.raises(Exception, match="timeout"):
            await writer.stream.purge_stream("DEADLETTERS")


async def test_wrong_credentials_are_a_matter_for_a_person(nats: Nats) -> None:
    with pytest.raises(Misconfigured, match="refuses"):
        async with bus.connect(f"nats://writer:wrong@127.0.0.1:{nats.port}", "test"):
            pass


class Worker:
    """A consumer loop on the writer's consumer with a body that the test chooses."""

    def __init__(self, nats: Bus, do: Work) -> None:
        self.stop = asyncio.Event()
        self.beat = beat()
        self.task = asyncio.create_task(consume.work(nats, topology.WRITER_TRANSCRIPTS, do, self.beat, self.stop))

    async def done(self) -> None:
        self.stop.set()
        await self.task


async def lag(nats: Bus) -> int:
    info = await nats.stream.consumer_info("TRANSCRIPTS", "writer")
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def test_a_poison_message_alone_goes_to_the_dead_letters(operator: Bus) -> None:
    done: list[int] = []

    async def do(events: Sequence[Event]) -> None:
        starts = [event.start for event in events if isinstance(event, TranscriptChanged)]
        if 7 in starts:
            raise Permanent("seven is refused")
        done.extend(starts)

    await operator.publish_all([segment(number) for number in range(10)])
    await operator.publish(Message(subjects.changed("s", "junk"), b"not json", "junk"))
    worker = Worker(operator, do)

    async def settled() -> None:
        assert await lag(operator) == 0
        assert await count(operator, "DEADLETTERS") == 2

    await eventually(settled)
    await worker.done()
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    letters = [codec.decode((await operator.stream.get_msg("DEADLETTERS", seq)).data) for seq in (1, 2)]
    assert {letter.payload == b"not json" for letter in letters if isinstance(letter, DeadLetter)} == {True, False}
    assert any("seven is refused" in letter.error for letter in letters if isinstance(letter, DeadLetter))


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


def _to(port: int) -> list[Any]:
    """This process's connections to `port`."""
    return [one for one in psutil.Process().net_connections("tcp") if one.raddr and one.raddr.port == port]
