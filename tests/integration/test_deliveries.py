"""Every delivery reaches the work, nobody is blamed for another, and a stop gives back what it holds."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, pull
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.delivery import settle
from mnemostream.runtime.errors import Transient
from tests import proxy
from tests.conftest import ROOT, eventually
from tests.integration.bus_parts import GOLDEN, Worker, count, segment
from tests.integration.workers import drained, letters, starts


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.05])
async def test_no_message_is_delivered_twice_without_a_failure(
    nats: Nats, operator: Bus, monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    """nats-py's fetch lost what lay in the client's queue: idle, then messages closer together than a settle takes."""
    monkeypatch.setattr(pull, "EXPIRES", 0.6)
    done: Counter[int] = Counter()

    async def do(events: Sequence[Event]) -> None:
        await asyncio.sleep(0.1)  # the work itself
        done.update(starts(events))

    async with proxy.opened(nats.port, delay) as slow:
        url = nats.url("writer").replace(f":{nats.port}", f":{slow.port}")
        async with bus.connect(url, "slow") as connection:
            worker = Worker(connection, do)
            number = 0
            for burst in (1, 2, 3, 8, 24, 2, 40):
                await asyncio.sleep(0.7)  # one idle request ends
                for _ in range(burst):
                    await operator.publish(segment(number))
                    number += 1
                await drained(operator)
            info = await operator.stream.consumer_info("TRANSCRIPTS", "writer")
            await worker.done()
    assert sorted(done.elements()) == list(range(number))
    assert (info.num_redelivered, (worker.beat.redelivered or 0)) == (0, 0)
    assert await count(operator, "DEADLETTERS") == 0


async def test_a_pull_is_bounded_by_bytes(nats: Nats, operator: Bus) -> None:
    """24 messages of 3.9 MB exceed the server's `max_pending`, and it closes the connection of who asked for them."""
    assert isinstance(GOLDEN, TranscriptChanged)
    done: Counter[int] = Counter()

    async def do(events: Sequence[Event]) -> None:
        done.update(starts(events))

    for number in [*range(30), 900]:
        size = 7_000_000 if number == 900 else 3_900_000  # the last one is larger than many a bound, and comes alone
        event = msgspec.structs.replace(GOLDEN, start=number, end=number + 1, path="x" * size, records=[])
        name = codec.segment_message_id(event)
        await operator.publish(Message(subjects.changed("s", "t"), codec.encode(event), name))
    async with bus.connect(nats.url("writer"), "big") as connection:
        worker = Worker(connection, do)
        await drained(operator)
        assert connection.client.stats["reconnects"] == 0
        await worker.done()
    assert sorted(done.elements()) == [*range(30), 900]
    assert (await operator.stream.consumer_info("TRANSCRIPTS", "writer")).num_redelivered == 0


@pytest.mark.parametrize("how", ["raise", "exit", "kill"])
async def test_the_poison_alone_is_given_up_and_its_neighbours_are_done(
    nats: Nats, operator: Bus, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 messages in one pull, one of which ends the process whenever it is tried."""
    results = tmp_path / "results"
    await operator.publish_all([segment(number) for number in range(24)])
    boots, done_at_boot = 0, 0
    argv = [sys.executable, "-m", "tests.crashing_worker", nats.url("writer"), how, "5", str(results)]
    while True:
        boots += 1
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL)
        ended = asyncio.create_task(process.wait())
        settled = asyncio.create_task(drained(operator))
        await asyncio.wait({ended, settled}, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        if results.exists() and len(results.read_text().split()) == 23 and not done_at_boot:
            done_at_boot = boots
        if not ended.done():
            process.terminate()
            await ended
            break
        assert boots < 15
    assert sorted(map(int, results.read_text().split())) == [n for n in range(24) if n != 5]
    assert done_at_boot <= 5, "the neighbours waited for the poison"  # what is handed back comes in pieces
    (letter,) = await letters(operator)
    event = codec.decode(letter.payload)
    assert isinstance(event, TranscriptChanged)
    assert event.start == 5
    assert "crashed its worker" in letter.error
    assert ("planted" in letter.error) is (how == "raise")
    limit = topology.CRASHES_WITNESSED if how == "raise" else topology.CRASHES_SILENT
    assert boots == limit + 2  # the first one took all 24 together; the last one gave up


async def test_stops_and_transient_failures_never_count(operator: Bus) -> None:
    done: list[int] = []
    away = True

    async def do(events: Sequence[Event]) -> None:
        if away:
            raise Transient("the database is away")
        done.extend(starts(events))

    await operator.publish_all([segment(number) for number in range(4)])
    for _ in range(topology.CRASHES_SILENT + 3):
        worker = Worker(operator, do)

        async def tried(worker: Worker = worker) -> None:
            assert worker.beat.failed

        await eventually(tried)
        await worker.done()
    away = False
    worker = Worker(operator, do)
    await drained(operator)
    await worker.done()
    assert sorted(done) == [0, 1, 2, 3]
    assert await count(operator, "DEADLETTERS") == 0


async def test_a_stop_hands_back_what_it_holds_at_once(operator: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "WORK_GRACE", 0.2)
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def never(events: Sequence[Event]) -> None:
        started.set()
        await asyncio.Event().wait()

    done: list[int] = []

    async def do(events: Sequence[Event]) -> None:
        done.extend(starts(events))

    await operator.publish_all([segment(number) for number in range(40)])
    first = Worker(operator, never)
    await started.wait()
    began = loop.time()
    await first.done()
    second = Worker(operator, do)
    await drained(operator)
    assert loop.time() - began < 15, "it took an ack_wait"
    await second.done()
    assert sorted(done) == list(range(40))
