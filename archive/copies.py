"""The two copies of every transcript: segments in the database, messages in the log."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Protocol

import asyncpg
import msgspec
from nats.aio.msg import Msg

from mnemostream.archive import queries
from mnemostream.contracts import codec, sources, subjects, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import Base, Checkpoint, TranscriptChanged
from mnemostream.runtime import bus, streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.disk import packed
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.streams import Selection


class Addresses(Protocol):
    """Where both copies answer; the addresses hold passwords."""

    @property
    def postgres_dsn(self) -> str:
        """Of the database."""

    @property
    def nats_url(self) -> str:
        """Of the log."""


class NotFound(Exception):
    """Nothing that is archived has this name."""


class Unreachable(Exception):
    """The database or the bus does not answer, or the wanted thing is not there."""


class Transcript(msgspec.Struct, frozen=True):
    """One row of `transcripts`."""

    transcript_id: str
    source: str
    host: str
    root: str
    path: str
    session_id: str
    subagent: bool

    @property
    def full(self) -> str:
        return f"{self.root}/{self.path}"


class Segment(msgspec.Struct, frozen=True):
    """Bytes [start, end) of one generation, as they are kept. `sha256` is of the file up to `end`; where secrets were
    replaced, `kept_sha256` is of these bytes as they are kept, and `replaced` says which of them are placeholders."""

    generation: int
    start: int
    end: int
    data: bytes
    sha256: bytes
    replaced: list[tuple[int, int]] = []
    kept_sha256: bytes = b""
    base: Base | None = None
    captured_at: float = 0.0
    """Unix time, seconds."""

    @classmethod
    def of(cls, event: TranscriptChanged) -> Segment:
        """A segment as the log holds it."""
        sums = bytes.fromhex(event.sha256), event.replaced, bytes.fromhex(event.kept_sha256)
        at = datetime.fromisoformat(event.captured_at).timestamp()
        return cls(event.generation, event.start, event.end, event.data, *sums, event.base, at)

    def bytes(self) -> bytes:
        """The bytes; raises ValueError when they cannot be read or have another length."""
        try:
            content = packed.content(self.data, self.end - self.start) if self.data else b""
        except packed.Damaged as error:
            raise ValueError(f"cannot be decompressed: {error}") from error
        if len(content) != self.end - self.start:
            raise ValueError(f"contains {len(content)} bytes instead of {self.end - self.start}")
        if self.kept_sha256 and hashlib.sha256(content).digest() != self.kept_sha256:
            raise ValueError("checksum mismatch")
        return content


class Archive:
    """Open connections to both copies. Use `opened`."""

    def __init__(self, database: asyncpg.Connection, nats: Bus) -> None:
        self.database = database
        self.nats = nats

    async def transcripts(self) -> list[Transcript]:
        """All archived transcripts."""
        return [Transcript(*row) for row in await self.database.fetch(queries.read("transcripts"))]

    async def forgotten(self) -> set[str]:
        """Ids of transcripts with a tombstone."""
        return {row[0] for row in await self.database.fetch("select transcript_id from forgotten")}

    async def segments(self, transcript: str) -> AsyncGenerator[Segment, None]:
        """Segments of one transcript in the database, all generations, in their order."""
        async with self.database.transaction(readonly=True):
            async for row in self.database.cursor(queries.read("segments_of"), transcript, prefetch=16):
                spans = msgspec.json.decode(row["replaced"], type=list[tuple[int, int]])
                base = None
                if row["base_generation"] is not None:
                    base = Base(row["base_generation"], row["base_bytes"], row["base_sha256"].hex())
                sums = row["sha256"], spans, row["kept_sha256"] or b""
                yield Segment(row[0], row[1], row[2], row[3], *sums, base, row["captured_at"].timestamp())

    async def checkpoints(self) -> dict[str, Checkpoint]:
        """Where capture stands by transcript, from the last message of each subject; without the canary's, and without
        what an edge says of a transcript that is not its own."""
        checkpoints: dict[str, Checkpoint] = {}
        async with aclosing(self.messages([subjects.CHANGED], last=True)) as messages:
            async for message in messages:
                if subjects.source_and_transcript(message.subject)[0] == sources.CANARY:
                    continue
                with suppress(KeyError, msgspec.DecodeError):
                    checkpoint = codec.decode_checkpoint((message.headers or {})[codec.CHECKPOINT_HEADER])
                    if codec.is_subject_of(message.subject, checkpoint):
                        checkpoints[checkpoint.transcript] = checkpoint
        return checkpoints

    async def edges(self, row: Transcript) -> list[str]:
        """The machine elsewhere that has captured a transcript, if one has."""
        async with aclosing(self.messages([subjects.segments(row.source, row.transcript_id)[1]], last=True)) as shipped:
            return [subjects.edge_of(message.subject) async for message in shipped]

    async def messages(
        self, filters: Iterable[str], *, stream: str = topology.TRANSCRIPTS.name, last: bool = False
    ) -> AsyncGenerator[Msg, None]:
        """Messages of a stream that were there at the call, in their order;
        `last` = only the headers of the last one per subject."""
        try:
            which = Selection(filters=list(filters), last=last, headers=last)
            async with aclosing(streams.read(self.nats, stream, which)) as messages:
                async for message, _ in messages:
                    yield message
        except Transient as error:
            raise Unreachable(f"cannot read the log: {error}") from error


@asynccontextmanager
async def opened(addresses: Addresses) -> AsyncIterator[Archive]:
    """Connections to the database and the bus. Raises Unreachable."""
    try:
        database = await asyncpg.connect(addresses.postgres_dsn, timeout=5, command_timeout=600)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unreachable(f"the database does not answer: {error or type(error).__name__}") from error
    try:
        async with bus.connect(addresses.nats_url, "mnemo") as nats:
            yield Archive(database, nats)
    except Transient as error:
        raise Unreachable(str(error)) from error
    finally:
        await database.close(timeout=5)


def decoded(message: Msg) -> Event | None:
    """The event of a message; None if it is not understood."""
    try:
        return codec.decode_from(message.subject, message.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
