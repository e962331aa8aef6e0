"""Each user of the bus tries what it may not do, on a real server: no inbox of others, no consumer of a stage, no
letter of another stage; and what is no message of JetStream ends nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import nats as library
from nats.aio.client import Client

from mnemostream.contracts import subjects, topology
from mnemostream.contracts.events import Stage
from mnemostream.local import nats_conf
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, pull, streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.connection import address
from mnemostream.runtime.delivery import consume
from mnemostream.runtime.heartbeat import Beat
from tests.conftest import ROOT, eventually

LESSER = (*(str(stage) for stage in Stage), nats_conf.READER)
CONSUMERS = [(consumer.stream, consumer.name) for consumer in topology.CONSUMERS]


class Attacker:
    """A connection of one user, and what the server refused."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.refused: list[str] = []
        self.client = Client()

    async def hear(self, error: Exception) -> None:
        self.refused.append(str(error))

    async def asks(self, api: str, body: object) -> bytes | None:
        """The answer of the server; None where it refuses the subject."""
        before = len(self.refused)
        asked = asyncio.create_task(self.client.request(f"$JS.API.{api}", msgspec.json.encode(body), timeout=3))
        while not asked.done() and len(self.refused) == before:
            await asyncio.sleep(0.01)
        if not asked.done():
            asked.cancel()
            return None
        return bytes((await asked).data)


@asynccontextmanager
async def attacker(nats: Nats, user: str) -> AsyncIterator[Attacker]:
    made = Attacker(user)
    url = nats.url(user)
    await made.client.connect(url, error_cb=made.hear, inbox_prefix=address.of(url).inbox, allow_reconnect=False)
    try:
        yield made
    finally:
        await made.client.close()


async def test_nobody_listens_to_the_inbox_of_another(nats: Nats, operator: Bus) -> None:
    for user in LESSER:
        await _listens(nats, operator, user)


async def _listens(nats: Nats, operator: Bus, user: str) -> None:
    others = [subjects.inbox(other) for other in (*LESSER, "operator", "system") if other != user]
    async with attacker(nats, user) as one:
        heard: list[str] = []

        async def hears(message: library.aio.msg.Msg) -> None:
            heard.append(message.subject)

        for subject in ("_INBOX.>", ">", "*.>", "*.*", *(f"{other}.>" for other in others)):
            await one.client.subscribe(subject, cb=hears)
        await eventually(lambda: _is(len(one.refused) == 4 + len(others)))
        await operator.stream.stream_info("TRANSCRIPTS")
        await operator.client.publish(f"{subjects.inbox('operator')}.x", b"secret")
        await operator.client.flush()
        await one.client.flush()
        assert heard == []


async def test_nobody_writes_into_the_inbox_of_another(nats: Nats, operator: Bus) -> None:
    got: list[bytes] = []

    async def hears(message: library.aio.msg.Msg) -> None:
        got.append(message.data)

    await operator.client.subscribe(f"{subjects.inbox('operator')}.>", cb=hears)
    await operator.client.flush()
    for user in LESSER:
        async with attacker(nats, user) as one:
            await one.client.publish(f"{subjects.inbox('operator')}.x", b"junk")
            await one.client.publish("_INBOX.x.y", b"junk")
            await one.client.flush()
            await eventually(lambda one=one: _is(len(one.refused) == 2))  # type: ignore[misc]
    await operator.client.flush()
    assert got == []


async def test_nobody_replaces_or_empties_the_consumer_of_a_stage(nats: Nats, operator: Bus) -> None:
    for user in LESSER:
        for stream, consumer in CONSUMERS:
            await _replaces(nats, operator, user, stream, consumer)


async def _replaces(nats: Nats, operator: Bus, user: str, stream: str, consumer: str) -> None:
    before = (await operator.stream.consumer_info(stream, consumer)).config
    evil = {
        "name": consumer,
        "ack_policy": "none",
        "filter_subject": "transcripts.forgotten.x",
        "inactive_threshold": 1,
    }
    durable = {**evil, "durable_name": consumer}
    owns = user == str(next(c.stage for c in topology.CONSUMERS if (c.stream, c.name) == (stream, consumer)))
    async with attacker(nats, user) as one:
        for body in (evil, durable):
            request = {"stream_name": stream, "config": body}
            for name in (consumer, f"{consumer}.transcripts.forgotten.x", "other", "other.transcripts.forgotten.x"):
                answer = await one.asks(f"CONSUMER.CREATE.{stream}.{name}", request)
                assert answer is None or b'"error"' in answer or b'"name":"other"' in answer, name
            for api in (f"CONSUMER.CREATE.{stream}", f"CONSUMER.DURABLE.CREATE.{stream}.{consumer}"):
                assert await one.asks(api, request) is None, api
        for api in (f"CONSUMER.DELETE.{stream}.{consumer}", f"CONSUMER.PAUSE.{stream}.{consumer}"):
            assert await one.asks(api, {}) is None, api
        if not owns:
            assert await one.asks(f"CONSUMER.MSG.NEXT.{stream}.{consumer}", {"batch": 1, "no_wait": True}) is None
    after = (await operator.stream.consumer_info(stream, consumer)).config
    assert (after.filter_subject, after.ack_policy) == (before.filter_subject, before.ack_policy)


async def test_only_the_service_that_people_ask_removes_a_dead_letter(nats: Nats, operator: Bus) -> None:
    acked = await operator.stream.publish(subjects.deadletter(Stage.WRITER), b"letter")
    for user in LESSER:
        async with attacker(nats, user) as one:
            if user != str(Stage.HEALTH):
                assert await one.asks("STREAM.MSG.DELETE.DEADLETTERS", {"seq": acked.seq}) is None
            for stream in topology.STREAMS:
                for api in ("PURGE", "DELETE", "UPDATE"):
                    assert await one.asks(f"STREAM.{api}.{stream.name}", {}) is None, (user, api)
    assert (await operator.stream.get_msg("DEADLETTERS", acked.seq)).data == b"letter"


async def test_the_reader_reads_and_stores_nothing(nats: Nats, operator: Bus) -> None:
    await operator.stream.publish(subjects.changed("codex", "s"), b"x")
    async with bus.connect(nats.url(nats_conf.READER), "test") as connection:
        found = [stored.payload async for stored in streams.history(connection, "TRANSCRIPTS")]
        assert found == [b"x"]
    async with attacker(nats, nats_conf.READER) as one:
        for stream in topology.STREAMS:
            subject = stream.subjects[0].replace(">", "x").replace("*", "x")
            await one.client.publish(subject, b"x")
        await one.client.flush()
        await eventually(lambda: _is(len(one.refused) == len(topology.STREAMS)))


async def test_what_is_no_message_of_jetstream_is_dropped_and_counted(nats: Nats, operator: Bus) -> None:
    await operator.stream.publish(subjects.changed("codex", "s"), b"x")
    async with (
        bus.connect(nats.url(str(Stage.WRITER)), "test") as connection,
        pull.opened(connection, "TRANSCRIPTS", "writer", 5, 1 << 20) as source,
    ):
        await connection.client.flush()  # the server knows of the inbox
        for junk in (b"", b"x" * 9, b'{"type":"TranscriptForgotten"}'):
            await operator.client.publish(f"{source._inbox}.1", junk)
            await operator.client.publish(f"{source._inbox}.1", junk, reply="$JS.API.STREAM.DELETE.TRANSCRIPTS")
        await operator.client.flush()
        messages = await source.take(asyncio.Event())
        assert [message.data for message in messages] == [b"x"]
        await eventually(lambda: _is(source.foreign == 6))


async def test_a_heartbeat_tells_how_many_were_dropped_and_the_work_goes_on(nats: Nats, operator: Bus) -> None:
    """The reply subject of a pull request is where somebody who learned of it would write."""
    done: list[object] = []
    beat, stop = Beat(Stage.WRITER, "w", 5.0, SystemClock()), asyncio.Event()

    async def do(events: Sequence[object]) -> None:
        done.extend(events)

    async def junk(request: library.aio.msg.Msg) -> None:
        await operator.client.publish(request.reply, b"junk")

    await operator.client.subscribe("$JS.API.CONSUMER.MSG.NEXT.TRANSCRIPTS.writer", cb=junk)
    await operator.client.flush()
    async with bus.connect(nats.url(str(Stage.WRITER)), "test") as connection:
        task = asyncio.create_task(consume.work(connection, topology.WRITER_TRANSCRIPTS, do, beat, stop))
        golden = (ROOT / "contracts" / "golden" / "TranscriptChanged.v1.json").read_bytes()
        await operator.stream.publish(subjects.changed("codex", "s"), golden)
        await eventually(lambda: _is(bool(done) and bool(beat.foreign_messages)))
        stop.set()
        await task


async def _is(true: bool) -> None:
    assert true
