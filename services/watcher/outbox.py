"""What is read and not stored yet: batches on their way to the log, repeated until they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.bus import Message
from mnemostream.runtime.errors import NoSpace, Permanent, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import backoff

if TYPE_CHECKING:  # a type only
    from mnemostream.services.watcher.files.tracked import TrackedFile

log = Log("mnemo.outbox")

BATCH_MESSAGES = 64
BATCH_BYTES = 6 * 1024 * 1024

LONG_SECONDS = 5.0
"""A batch that takes longer to be stored waits for a server."""

Meanwhile = Callable[[], Awaitable[None]]
Position = tuple["TrackedFile", int, int]
"""A file, generation and end: where the log stands after a message."""


class Sink(Protocol):
    """Where segments go: `runtime.bus.Bus`, or a double of it in tests."""

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Stores all messages in their order. Raises Transient."""


class Outbox:
    """One batch is being stored while the next one fills. `stored` is called with each position that the log holds."""

    def __init__(
        self,
        sink: Sink,
        beat: Beat,
        stored: Callable[[Position], None],
        refused: set[str] | None = None,
        edge: str = "",
    ) -> None:
        self.sink = sink
        self.beat = beat
        self.stored = stored
        self.refused = refused if refused is not None else set()
        """Transcripts whose records were refused: the bytes are stored without them."""
        self.edge = edge
        """Whose name ends the subjects; "" = of a watcher beside the server."""
        self.waiting_bytes = 0
        """Of messages in the batch that fills."""
        self.sent = 0
        """Messages stored so far."""
        self._batch: list[tuple[Message, Position | None]] = []
        self._storing: asyncio.Task[None] | None = None

    async def add(self, message: Message, position: Position | None) -> None:
        """Takes a message; waits while the batch before is still being stored and this one is full."""
        if self.waiting_bytes + len(message.payload) > BATCH_BYTES and self._batch:
            await self._store()
        self._batch.append(
            (msgspec.structs.replace(message, subject=subjects.at(message.subject, self.edge)), position)
        )
        self.waiting_bytes += len(message.payload)
        if len(self._batch) >= BATCH_MESSAGES:
            await self._store()

    def drop(self, transcript: str) -> None:
        """Leaves out what is not on its way yet of a transcript that was forgotten."""
        kept = [pair for pair in self._batch if subjects.source_and_transcript(pair[0].subject)[1] != transcript]
        self._batch, self.waiting_bytes = kept, sum(len(message.payload) for message, _ in kept)

    async def flush(self, meanwhile: Meanwhile | None = None) -> None:
        """Returns after everything is stored. While that takes long, `meanwhile` is called again and again."""
        await self._store(meanwhile)
        await self._finished(meanwhile)

    async def _finished(self, meanwhile: Meanwhile | None = None) -> None:
        if storing := self._storing:
            try:
                while meanwhile and not (await asyncio.wait({storing}, timeout=LONG_SECONDS))[0]:
                    await meanwhile()
                await storing
            except asyncio.CancelledError:
                storing.cancel()
                raise
            self._storing = None

    async def _store(self, meanwhile: Meanwhile | None = None) -> None:
        await self._finished(meanwhile)
        if self._batch:
            batch, self._batch, self.waiting_bytes = self._batch, [], 0
            self._storing = asyncio.create_task(self._publish(batch), name="store")

    async def _publish(self, batch: list[tuple[Message, Position | None]]) -> None:
        """Repeats the very same messages until they are stored: their ids make a repeat harmless."""
        messages = [message for message, _ in batch]
        self.beat.set_in_flight(len(batch))
        attempt = 0
        while True:
            try:
                await self.sink.publish_all(messages)
                break
            except Transient as error:
                self.beat.failed_with(error)
                full = isinstance(error, NoSpace)
                log.warning("log is full; capture paused" if full else "segments not stored yet", error=str(error))
                self.beat.tell(paused=f"{'the log is full' if full else 'the log does not accept segments'}: {error}")
                await asyncio.sleep(backoff(attempt))
                self.beat.set_in_flight(len(batch))
                attempt += 1
            except Permanent as error:
                if len(messages) > 1:
                    for pair in batch:
                        await self._publish([pair])
                    return
                log.error("the log rejected a segment; publishing it without its records", error=str(error))
                messages = [_bare(messages[0], error)]
                self.refused.add(subjects.source_and_transcript(messages[0].subject)[1])
        self.beat.tell(paused="")
        self.sent += len(batch)
        self.beat.set_in_flight(0)
        self.beat.succeeded(len(batch))
        for _, position in batch:
            if position:
                self.stored(position)


def _bare(message: Message, error: Permanent) -> Message:
    """The bytes of a segment without its records. Raises the error if they were not the reason."""
    event = codec.decode(message.payload)
    if not isinstance(event, TranscriptChanged) or not (event.records or event.counts):
        raise error
    bare = msgspec.structs.replace(event, records=[], counts={"damaged:records_refused": len(event.records)})
    return msgspec.structs.replace(message, payload=codec.encode(bare))
