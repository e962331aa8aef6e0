"""Workers whose deliveries are followed."""

from __future__ import annotations

from collections.abc import Sequence

from mnemostream.contracts import codec
from mnemostream.contracts.events import DeadLetter, Event
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.bus import Bus
from tests.conftest import eventually
from tests.integration.bus_parts import lag


def starts(events: Sequence[Event]) -> list[int]:
    return [event.start for event in events if isinstance(event, TranscriptChanged)]


async def letters(nats: Bus) -> list[DeadLetter]:
    state = (await nats.stream.stream_info("DEADLETTERS")).state
    found = [
        codec.decode((await nats.stream.get_msg("DEADLETTERS", seq)).data or b"")
        for seq in range(state.first_seq, state.last_seq + 1)
        if state.messages
    ]
    return [letter for letter in found if isinstance(letter, DeadLetter)]


async def drained(nats: Bus, within: float = 60.0) -> None:
    async def empty() -> None:
        assert await lag(nats) == 0

    await eventually(empty, within)
