"""Bytes of a transcript to events: whole lines, their records, the checkpoint after them."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterator

import msgspec
import zstandard

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import Base, Checkpoint, Record, TranscriptChanged
from mnemostream.runtime.bus import Message
from mnemostream.services.watcher.files.changes import EDGE, edge_hash
from mnemostream.services.watcher.formats.base import State
from mnemostream.services.watcher.parsing.saves import Save
from mnemostream.services.watcher.parsing.secrecy import NOT_LOOKED, Secrets
from mnemostream.services.watcher.parsing.units import FileOrigin, Unit, parse

RECORDS_BUDGET = 1 << 20
"""Bytes of record texts in one event; more of them travel ahead of the segment, in events without bytes."""


class Cursor:
    """Where capture stands in one generation of one file. Advanced by `events`."""

    def __init__(self, state: State, generation: int = 0) -> None:
        self.generation = generation
        self.end = 0
        self.line_start = 0
        """Offset of the line that is not ended yet; equals `end` after a newline."""
        self.state = state
        """The parser's state at `line_start`."""
        self.counted = False
        """True if the line that is not ended yet was parsed and counted already."""
        self.hasher = hashlib.sha256()
        self.replaced = False
        """True if something was replaced in this generation."""
        self.base: Base | None = None
        self.save: Save | None = None
        """Of a document: what the next save is compared with."""
        self.lineage: int | None = None
        """Generation whose records those of this one are added to; None = its own."""
        self.head = b""
        self.tail = b""

    def feed(self, data: bytes) -> None:
        """Moves over bytes that are, or become, captured."""
        self.hasher.update(data)
        if len(self.head) < EDGE:
            self.head = (self.head + data[:EDGE])[:EDGE]
        self.tail = (self.tail + data[-EDGE:])[-EDGE:]
        self.end += len(data)
        if self.save:
            self.save.blocks.feed(data)

    @property
    def begins(self) -> bool:
        """True if nothing of this generation was captured yet but what it shares with an earlier one."""
        return self.end == (self.base.bytes if self.base else 0)


class Stamp(msgspec.Struct, frozen=True):
    """When a piece was read, and the file's times before reading."""

    captured_at: str
    mtime_ns: int
    ctime_ns: int = 0
    unproven: bool = False


def events(
    data: bytes,
    units: list[Unit] | None,
    cursor: Cursor,
    origin: FileOrigin,
    stamp: Stamp,
    secrets: Secrets = NOT_LOOKED,
) -> tuple[list[Message], Counter[str]]:
    """The messages for `data`, the bytes from `cursor.end` on, and its line counts; advances the cursor.

    `units` are the lines that end with the data, the beginning of a running line included; None says that no
    line ends here: the data is a fragment and yields no records. `secrets` are those in the data, and what is to be
    kept instead of it; the units hold what is kept.
    """
    records: list[Record] = []
    counts: Counter[str] = Counter({"attachment" if origin.opaque else "fragment": 1} if units is None else {})
    ended = units is not None and not origin.at_once and data.endswith(b"\n")
    if units is not None:
        state = cursor.state if ended else copy.deepcopy(cursor.state)
        records, counts = parse(units, origin, state, counted=cursor.counted)
        cursor.counted = not ended
        if cursor.save:
            records = cursor.save.sent.news(records, cursor.generation)
            lineage = cursor.save.sent.lineage
            cursor.lineage = lineage if lineage != cursor.generation else None
    shares = list(batches(records))
    messages = []
    for number, share in enumerate(shares[:-1], start=1):  # too many for one event: these travel ahead, without bytes
        ahead = msgspec.structs.replace(_event(cursor, origin, stamp, share), part=number)
        messages.append(_message(ahead, checkpoint(cursor, origin, stamp)))
    before = cursor.end
    base = cursor.base if cursor.begins else None
    cursor.feed(data)
    cursor.replaced = cursor.replaced or bool(secrets.replaced)
    kept = secrets.kept if secrets.replaced else data
    if ended:
        cursor.line_start = cursor.end
    segment = msgspec.structs.replace(
        _event(cursor, origin, stamp, shares[-1] if shares else []),
        start=before,
        data=zstandard.compress(kept, 3) if kept else b"",
        counts=dict(counts),
        secrets=secrets.counts,
        replaced=secrets.replaced,
        kept_sha256=hashlib.sha256(kept).hexdigest() if cursor.replaced else "",
        base=base,
        version=1 if base is None and cursor.lineage is None else 2,
    )
    messages.append(_message(segment, checkpoint(cursor, origin, stamp)))
    return messages, counts


def batches(records: list[Record]) -> Iterator[list[Record]]:
    """Records in batches of at most `RECORDS_BUDGET` bytes of text."""
    batch: list[Record] = []
    size = 0
    for record in records:
        length = len(record.text.encode("utf-8", "replace")) + len(record.cwd) + len(record.tool_input) + 1024
        length += 2 * len(record.packed)  # base64
        if batch and size + length > RECORDS_BUDGET:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def _event(cursor: Cursor, origin: FileOrigin, stamp: Stamp, records: list[Record]) -> TranscriptChanged:
    """Records at the cursor; the segment itself adds its bytes."""
    return TranscriptChanged(
        transcript=origin.transcript,
        source=origin.format.name,
        host=origin.host,
        root=origin.root,
        path=origin.path,
        session_id=origin.file.session_id,
        generation=cursor.generation,
        start=cursor.end,
        end=cursor.end,
        data=b"",
        sha256=cursor.hasher.hexdigest(),
        captured_at=stamp.captured_at,
        records=records,
        subagent=origin.file.subagent,
        parser=origin.format.version,
        lineage=cursor.lineage,
        version=1 if cursor.lineage is None else 2,
    )


def checkpoint(cursor: Cursor, origin: FileOrigin, stamp: Stamp) -> Checkpoint:
    """What a new watcher must know to go on from here."""
    return Checkpoint(
        transcript=origin.transcript,
        generation=cursor.generation,
        end=cursor.end,
        line_start=cursor.line_start,
        sha256=cursor.hasher.hexdigest(),
        head=edge_hash(cursor.head),
        tail=edge_hash(cursor.tail),
        mtime_ns=stamp.mtime_ns,
        ctime_ns=stamp.ctime_ns,
        unproven=stamp.unproven,
        replaced=cursor.replaced,
        lineage=cursor.lineage,
        place=codec.place(origin.host, origin.root),
    )


def _message(event: TranscriptChanged, after: Checkpoint) -> Message:
    return Message(
        subjects.changed(event.source, event.transcript),
        codec.encode(event),
        codec.segment_message_id(event),
        {codec.CHECKPOINT_HEADER: codec.encode(after).decode()},
    )
