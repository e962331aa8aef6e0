"""Every delivery reaches the work, nobody is blamed for another, and a stop gives back what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Event, Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import retry
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.errors import Permanent, TooSlow
from mnemostream.runtime.heartbeat import Beat
from tests import proxy
from tests.conftest import ROOT, eventually
from tests.integration.bus_parts import GOLDEN, Worker, count, segment
from tests.integration.workers import drained, letters, starts


async def test_what_is_on_its_way_to_a_worker_that_stops_is_handed_back(nats: Nats, operator: Bus) -> None:
    """Messages that reach the client after the stop, on a slow network."""
    done: list[int] = []

    async def do(events: Sequence[Event]) -> None:
        done.extend(starts(events))

    loop = asyncio.get_running_loop()
    async with proxy.opened(nats.port, 0.05) as slow:
        url = nats.url("writer").replace(f":{nats.port}", f":{slow.port}")
        async with bus.connect(url, "slow") as connection:
            worker = Worker(connection, do)

            async def asked() -> None:
                assert (await operator.stream.consumer_info("TRANSCRIPTS", "writer")).num_waiting

            await eventually(asked)
            await operator.publish(segment(1))
            await worker.done()  # the message is on the wire
    began = loop.time()
    worker = Worker(operator, do)
    await drained(operator)
    await worker.done()
    assert done == [1]
    assert loop.time() - began < 15


async def test_a_batch_that_takes_too_long_is_split(operator: Bus) -> None:
    sizes: list[int] = []

    async def do(events: Sequence[Event]) -> None:
        sizes.append(len(events))
        if len(events) > 3:
            raise TooSlow("canceling statement due to statement timeout")

    await operator.publish_all([segment(number) for number in range(24)])
    worker = Worker(operator, do)
    await drained(operator)
    await worker.done()
    assert sum(size for size in sizes if size <= 3) == 24
    assert len(sizes) < 24
    assert await count(operator, "DEADLETTERS") == 0


async def test_a_refused_pull_is_counted_and_told_at_once(nats: Nats, operator: Bus) -> None:
    api = "$JS.API.CONSUMER.{}.TRANSCRIPTS.writer"
    info = msgspec.json.decode((await operator.client.request(api.format("INFO"), b"")).data)
    body = {"stream_name": "TRANSCRIPTS", "config": {**info["config"], "max_batch": 5}, "action": "update"}
    answer = await operator.client.request(api.format("CREATE"), msgspec.json.encode(body))
    assert b'"max_batch":5' in answer.data

    async def do(events: Sequence[Event]) -> None:
        raise AssertionError("nothing comes")

    worker = Worker(operator, do)

    async def told() -> None:
        assert (worker.beat.pulls_refused or 0) >= 1
        assert "refused" in worker.beat.last_error

    await eventually(told, 10)
    await worker.done()


async def test_a_letter_that_is_too_large_goes_by_reference_and_a_retry_reads_the_log(
    nats: Nats, operator: Bus
) -> None:
    assert isinstance(GOLDEN, TranscriptChanged)
    done: list[int] = []
    refused = True

    async def do(events: Sequence[Event]) -> None:
        if refused:
            raise Permanent("refused")
        done.extend(starts(events))

    event = msgspec.structs.replace(GOLDEN, start=3, end=4, path="x" * 7_500_000, records=[])
    await operator.publish(Message(subjects.changed("s", "t"), codec.encode(event), "large"))
    worker = Worker(operator, do)
    await drained(operator)
    await worker.done()
    (letter,) = await letters(operator)
    assert (letter.by_reference, letter.payload, letter.stream_sequence) == (True, b"", 1)
    assert letter.payload_bytes > 7_500_000
    refused = False
    beat = Beat(Stage.WRITER, "test", 5.0, SystemClock())
    await retry._retry(operator, Stage.WRITER, {topology.WRITER_TRANSCRIPTS: do}, beat, Gate(), 1)
    assert done == [3]


async def test_a_retry_does_what_the_log_holds_and_nothing_else(nats: Nats, operator: Bus) -> None:
    """Letters are written by users of the bus: what stands in them is no order."""
    done: list[Event] = []

    async def do(events: Sequence[Event]) -> None:
        done.extend(events)

    tombstone = (ROOT / "contracts/golden/TranscriptForgotten.v1.json").read_bytes()
    await operator.publish(Message(subjects.forgotten("s", "t"), tombstone, "tombstone"))
    await operator.publish(segment(7))
    base = codec.decode((ROOT / "contracts/golden/DeadLetter.v1.json").read_bytes())
    assert isinstance(base, DeadLetter)
    base = msgspec.structs.replace(base, stage=Stage.WRITER, stream="TRANSCRIPTS", payload=tombstone)
    changed, forgotten = subjects.changed("s", "t"), subjects.forgotten("s", "t")
    cases = [
        (Stage.WRITER, {"stream_sequence": 1, "subject": forgotten}, "tombstone"),
        (Stage.WRITER, {"stream_sequence": 1, "subject": changed}, "does not match"),
        (Stage.WRITER, {"stream_sequence": 99, "subject": changed}, "no longer in the log"),
        (Stage.WRITER, {"stream_sequence": 2, "subject": changed, "stream": "HEALTH"}, "does not read"),
        (Stage.EMBEDDER, {"stream_sequence": 2, "subject": changed}, "not a dead letter of the writer"),
    ]
    beat = Beat(Stage.WRITER, "test", 5.0, SystemClock())
    works = {topology.WRITER_TRANSCRIPTS: do}
    for number, (stage, facts, why) in enumerate(cases, start=1):
        letter = msgspec.structs.replace(base, **facts)
        await operator.publish(Message(subjects.deadletter(stage), codec.encode(letter), f"letter {number}"))
        with pytest.raises(retry.Declined, match=why):
            await retry._retry(operator, Stage.WRITER, works, beat, Gate(), number)
    assert done == []
    letter = msgspec.structs.replace(base, stream_sequence=2, subject=changed, payload=b"made up")
    await operator.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), "good"))
    await retry._retry(operator, Stage.WRITER, works, beat, Gate(), len(cases) + 1)
    assert starts(done) == [7]
