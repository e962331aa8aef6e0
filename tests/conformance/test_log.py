"""The log and its double give the same answers."""

from __future__ import annotations

from typing import Any

import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.transcripts import Checkpoint, TranscriptChanged
from mnemostream.runtime.bus import Bus, Message
from mnemostream.services.watcher import catalog
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.checkpoints import reached
from tests.doubles import MemoryLog


class Real:
    """The stream of a real server, seen through the double's interface."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.publish_all = bus.publish_all

    async def positions(self) -> Positions:
        return await catalog.load(self.bus)

    async def payloads(self) -> list[bytes]:
        info = await self.bus.stream.stream_info(topology.TRANSCRIPTS.name)
        found = []
        for sequence in range(1, info.state.last_seq + 1):
            found.append((await self.bus.stream.get_msg(topology.TRANSCRIPTS.name, sequence)).data)
        return found


class Double:
    """The double, with the same awaitable face."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.publish_all = self.log.publish_all

    async def positions(self) -> Positions:
        return self.log.positions()

    async def payloads(self) -> list[bytes]:
        return [message.payload for message in self.log.messages]


@pytest.fixture(params=["real", "double"])
def log(request: pytest.FixtureRequest, operator: Bus) -> Any:
    """Either of the two."""
    return Real(operator) if request.param == "real" else Double()


def message(name: str, start: int, end: int, generation: int = 0) -> Message:
    event = TranscriptChanged(
        transcript=name,
        source="codex",
        host="h",
        root="/r",
        path="p",
        session_id="s",
        generation=generation,
        start=start,
        end=end,
        sha256="0" * 64,
        captured_at="2026-08-01",
        data=b"",
    )
    checkpoint = Checkpoint(name, generation, end, end, "0" * 64, "", "", 5, 6)
    headers = {codec.CHECKPOINT_HEADER: codec.encode(checkpoint).decode()}
    return Message(subjects.changed("codex", name), codec.encode(event), codec.segment_message_id(event), headers)


async def test_order_is_kept_and_repeats_are_dropped(log: Any) -> None:
    one, two, three = message("a", 0, 1), message("b", 0, 1), message("a", 1, 2)
    await log.publish_all([one, two])
    await log.publish_all([one, two])
    await log.publish_all([two, three])
    assert await log.payloads() == [one.payload, two.payload, three.payload]


async def test_the_same_start_with_another_end_is_another_message(log: Any) -> None:
    await log.publish_all([message("a", 0, 5)])
    await log.publish_all([message("a", 0, 9)])
    assert len(await log.payloads()) == 2


async def test_positions_are_the_last_checkpoint_of_each_transcript(log: Any) -> None:
    await log.publish_all([message("a", 0, 5), message("b", 0, 3), message("a", 5, 9), message("a", 0, 2, 1)])
    found = await log.positions()
    assert {(source, name): reached(kept) for source, name, kept in found} == {
        ("codex", "a"): (1, 2),
        ("codex", "b"): (0, 3),
    }


async def test_an_empty_log_knows_nothing(log: Any) -> None:
    found = await log.positions()
    assert (list(found), found.forgotten) == ([], set())
