"""Segments to vectors: one pool of chunks for all messages in hand, batched by length."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import (
    Chunk,
    RecordsEmbedded,
    RecordsReparsed,
    TranscriptChanged,
    TranscriptForgotten,
    embeddable,
)
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.tasks import cancel_and_wait
from mnemostream.services.embedder import chunks
from mnemostream.services.embedder.model import Model
from mnemostream.services.embedder.settings import Settings

Change = TranscriptChanged | RecordsReparsed
Vectors = list[tuple[chunks.Span, bytes]]


class _Todo(msgspec.Struct, frozen=True):
    sha: str
    text: str
    spans: list[chunks.Span]


class Embedder:
    """Embeds what is chunkable in segments and publishes the vectors; returns when they are stored."""

    def __init__(self, bus: Bus, model: Model, settings: Settings, beat: Beat, loop_name: str) -> None:
        self.bus = bus
        self.model = model
        self.settings = settings
        self.beat = beat
        self.loop_name = loop_name
        self.embedded = 0
        """Chunks since the start."""
        self._remembered: OrderedDict[str, Vectors] = OrderedDict()
        self._connections = 0
        """Lost connections after which tombstones were looked for."""
        self._forgotten: set[str] = set()
        """Transcripts with a tombstone; what of them is in hand is not published any more."""

    def forget(self, transcript: str) -> None:
        """A tombstone was laid, perhaps while the transcript is in work."""
        self._forgotten.add(transcript)

    async def work(self, events: Sequence[Event], revision: int = 0) -> None:
        """One pool of all texts in `events`: long and short ones of several files share full batches.

        With a `revision` nothing that is remembered is used.
        """
        for event in events:
            if isinstance(event, TranscriptForgotten):
                self.forget(event.transcript)
        changes = self._kept([event for event in events if isinstance(event, (TranscriptChanged, RecordsReparsed))])
        records = [record for change in changes for record in change.records if embeddable(record)]
        texts = {codec.text_sha(record.text): record.text for record in records}
        if revision:
            for sha in texts:
                self._remembered.pop(sha, None)
        vectors = await self._vectors(texts)
        await self._hear_again(changes)
        messages = [message for change in self._kept(changes) for message in self._messages(change, vectors, revision)]
        await self.bus.publish_all(messages)
        self.embedded += sum(map(len, vectors.values()))
        self.beat.vitals = self.model.vitals(self.embedded)

    async def _hear_again(self, changes: Sequence[Change]) -> None:
        """After a lost connection: a tombstone may have been laid while nothing could be heard. Raises Transient."""
        connections = self.bus.client.stats["reconnects"]
        if connections == self._connections:
            return
        for change in changes:
            subject = subjects.forgotten(change.source, change.transcript)
            laid = await streams.last(self.bus, topology.TRANSCRIPTS.name, subject)
            if laid and codec.tombstone(subject, laid):
                self.forget(change.transcript)
        self._connections = connections

    def _kept(self, changes: Sequence[Change]) -> list[Change]:
        return [change for change in changes if change.transcript not in self._forgotten]

    async def _vectors(self, texts: dict[str, str]) -> dict[str, Vectors]:
        known = {sha: self._remembered[sha] for sha in texts if sha in self._remembered}
        todo = [_Todo(sha, text, await self.model.split(text)) for sha, text in texts.items() if sha not in known]
        flat = [(item, span) for item in todo for span in item.spans]
        pieces = [item.text[span.begin : span.stop] for item, span in flat]
        vectors = await self._encoded(pieces, [span.tokens + self.model.special for _, span in flat])
        at = 0
        for item in todo:
            known[item.sha] = [(span, vectors[at + i]) for i, span in enumerate(item.spans)]
            at += len(item.spans)
            self._remember(item.sha, known[item.sha])
        return known

    async def _encoded(self, pieces: Sequence[str], lengths: Sequence[int]) -> list[bytes]:
        """Vectors of all pieces, in batches of similar length, as many at a time as the engine has workers."""
        vectors = [b""] * len(pieces)

        async def encode(group: Sequence[int]) -> None:
            for i, vector in zip(group, await self.model.in_turn([pieces[i] for i in group]), strict=True):
                vectors[i] = vector
            self.beat.record_progress(self.loop_name)

        calls = [asyncio.create_task(encode(group)) for group in chunks.batches(lengths, self.model.batch_tokens)]
        try:
            await asyncio.gather(*calls)
        finally:  # what is left of a batch that failed must not start an engine again
            await cancel_and_wait(*calls)
        return vectors

    def _remember(self, sha: str, vectors: Vectors) -> None:
        self._remembered[sha] = vectors
        while len(self._remembered) > self.settings.cache_texts:
            self._remembered.popitem(last=False)

    def _messages(self, change: Change, vectors: dict[str, Vectors], revision: int) -> list[Message]:
        """The vectors of one segment, in events that stay below the size budget."""
        messages: list[Message] = []
        batch: list[Chunk] = []
        size = 0
        for record in filter(embeddable, change.records):
            sha = codec.text_sha(record.text)
            for number, (span, vector) in enumerate(vectors[sha]):
                batch.append(Chunk(record.id, sha, number, span.begin, span.stop, vector))
                size += len(vector) * 4 // 3 + 250
                if size > topology.EVENT_BUDGET:
                    messages.append(self._message(change, batch, len(messages), revision))
                    batch, size = [], 0
        if batch:
            messages.append(self._message(change, batch, len(messages), revision))
        return messages

    def _message(self, change: Change, batch: list[Chunk], part: int, revision: int) -> Message:
        event = RecordsEmbedded(
            transcript=change.transcript,
            source=change.source,
            model=self.model.fingerprint,
            model_name=self.model.name,
            dimensions=self.model.dimensions,
            chunks=batch,
            part=part,
            revision=revision,
        )
        subject = subjects.embedded(change.source, change.transcript)
        return Message(subject, codec.encode(event), codec.embedded_message_id(event))
