"""Doubles of the real parts, for tests that inject thousands of faults. Each passes the conformance suite."""

from __future__ import annotations

import random
from collections.abc import Sequence

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.bus import Message
from mnemostream.runtime.errors import Transient
from mnemostream.services.watcher.catalog import Positions


class Killed(BaseException):
    """kill -9 of the process that publishes: nothing of it runs on."""


class Faults:
    """What goes wrong at a publish, drawn from a seed. Rates are per call."""

    def __init__(self, seed: int = 0, rate: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.rate = rate

    def draw(self) -> str:
        """ "" = nothing; lost, stored (and timed out all the same), part, kill before, kill after."""
        if self.random.random() >= self.rate:
            return ""
        return self.random.choice(["lost", "stored", "part", "kill before", "kill after", "kill part"])


class MemoryLog:
    """TRANSCRIPTS in memory: order, ids, the last message of each subject. What the real stream promises, no more."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.messages: list[Message] = []
        self._ids: set[str] = set()

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Stores what is not stored yet, in its order. Raises Transient, or Killed, as the faults say."""
        fault = self.faults.draw()
        if fault == "lost":
            raise Transient("no ack, nothing stored")
        if fault == "kill before":
            raise Killed
        part = self.faults.random.randrange(len(messages) + 1) if "part" in fault else len(messages)
        for message in messages[:part]:
            if message.message_id not in self._ids:
                self._ids.add(message.message_id)
                self.messages.append(message)
        if fault in ("stored", "part"):
            raise Transient("no ack, though stored")
        if "kill" in fault:
            raise Killed

    def positions(self) -> Positions:
        """What `services.watcher.catalog.load` gives."""
        found = Positions()
        for message in self.messages:
            source, _ = subjects.source_and_transcript(message.subject)
            found.add(source, codec.decode_checkpoint(message.headers[codec.CHECKPOINT_HEADER]))
        return found

    def events(self) -> list[TranscriptChanged]:
        """All events in their order."""
        return [event for m in self.messages if isinstance(event := codec.decode(m.payload), TranscriptChanged)]
