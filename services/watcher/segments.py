"""Bytes of a transcript to events: whole lines, their records, the checkpoint after them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import msgspec
import zstandard

from contracts import codec, subjects
from contracts.events import Checkpoint, Record, TranscriptChanged
from runtime.bus import Message
from services.watcher.changes import EDGE, edge_hash, spans
from services.watcher.formats import claude_code, lines

SOURCE = "claude-code"
TEXT_PART_CHARS = 128 * 1024
"""Characters of one record's text in one event; longer texts travel in parts."""


class Place(msgspec.Struct, frozen=True):
    """Which file: everything about it that no byte in it can change."""

    transcript: str
    host: str
    root: str
    path: str
    file: claude_code.Context


class Cursor:
    """Where capture stands in one generation of one file. Advanced by `events`, restored by `rewind`."""

    def __init__(self, generation: int = 0) -> None:
        self.generation = generation
        self.end = 0
        self.line_start = 0
        self.hasher = hashlib.sha256()
        self.head = b""
        self.tail = b""
        self.exchange = ""

    def copy(self) -> Cursor:
        twin = Cursor(self.generation)
        twin.end, twin.line_start, twin.head, twin.tail = self.end, self.line_start, self.head, self.tail
        twin.hasher, twin.exchange = self.hasher.copy(), self.exchange
        return twin

    def feed(self, data: bytes) -> None:
        """Moves over bytes that are, or become, captured."""
        self.hasher.update(data)
        if len(self.head) < EDGE:
            self.head = (self.head + data[:EDGE])[:EDGE]
        self.tail = (self.tail + data[-EDGE:])[-EDGE:]
        self.end += len(data)


def parse(data: bytes, offset: int, place: Place, exchange: str) -> tuple[list[Record], dict[str, int], str]:
    """Records of whole lines that begin at `offset`, counts by record type, and the exchange after them."""
    running = claude_code.Exchange(exchange)
    counts: Counter[str] = Counter()
    found: list[Record] = []
    for line in _lines(data):
        read = lines.read(line)
        if read.damage:
            counts[f"damaged:{read.damage}"] += 1
        for at, obj in read.objects:
            line_id = f"line-{hashlib.sha256(line + at.to_bytes(8, 'big')).hexdigest()[:32]}"
            records, name = claude_code.records(obj, line_id, offset + at, place.file, running)
            counts[name] += 1
            for record in records:
                found.extend(_parts(record))
        offset += len(line)
    return found, dict(counts), running.id


def _lines(data: bytes) -> list[bytes]:
    """Lines end at newline only; `splitlines` would also end them at a lone carriage return."""
    pieces = [piece + b"\n" for piece in data.split(b"\n")]
    pieces[-1] = pieces[-1][:-1]
    return pieces if pieces[-1] else pieces[:-1]


def _parts(record: Record) -> Iterator[Record]:
    text = record.text
    if len(text) <= TEXT_PART_CHARS:
        yield record
        return
    part = at = 0
    while at < len(text):
        stop = min(at + TEXT_PART_CHARS, len(text))
        if stop < len(text):  # at white space if there is any near the end, so that no word is cut
            space = max(text.rfind(" ", stop - 2048, stop), text.rfind("\n", stop - 2048, stop))
            stop = space + 1 if space > at else stop
        yield msgspec.structs.replace(record, text=text[at:stop], part=part)
        at, part = stop, part + 1


class Stamp(msgspec.Struct, frozen=True):
    """When a piece was read, and the file's modification time before reading."""

    captured_at: str
    mtime_ns: int


def events(
    data: bytes, pending: bytes, cursor: Cursor, place: Place, stamp: Stamp, *, limit: int, complete: bool
) -> tuple[list[Message], dict[str, int]]:
    """The messages for `data`, the bytes from `cursor.end` on, and its line counts; advances the cursor.

    `pending` is the part of the running line that is captured already (a fragment went before).
    `complete` says that a line ends with the data; otherwise it is a fragment and yields no records.
    """
    if complete:
        start = cursor.end - len(pending)
        records, counts, exchange = parse(pending + data, start, place, cursor.exchange)
    else:
        records, counts, exchange = [], {"fragment": 1}, cursor.exchange
    pieces = spans(len(data), limit)
    shares = _shares(records, len(pieces), limit)
    line_start = cursor.line_start
    made = []
    for number, ((begin, stop), share) in enumerate(zip(pieces, shares, strict=True), start=1):
        last = number == len(pieces)
        piece = data[begin:stop]
        at = cursor.end
        cursor.feed(piece)
        if last and complete:
            cursor.exchange = exchange
            cursor.line_start = cursor.end if data.endswith(b"\n") else _last_line(pending + data, cursor.end)
        else:
            cursor.line_start = line_start
        event = TranscriptChanged(
            transcript=place.transcript,
            source=SOURCE,
            host=place.host,
            root=place.root,
            path=place.path,
            session_id=place.file.session_id,
            generation=cursor.generation,
            start=at,
            end=cursor.end,
            data=zstandard.compress(piece, 3),
            sha256=cursor.hasher.hexdigest(),
            captured_at=stamp.captured_at,
            records=share,
            counts=counts if last else {},
            subagent=place.file.subagent,
        )
        made.append(_message(event, checkpoint(cursor, place, stamp)))
    return made, counts


def _last_line(data: bytes, end: int) -> int:
    """Offset at which the unterminated last line of `data` begins, when `data` ends at `end`."""
    return end - (len(data) - (data.rfind(b"\n") + 1))


def _shares(records: list[Record], count: int, limit: int) -> list[list[Record]]:
    """Records dealt to `count` fragments: all to the last one unless they are too large for one event.

    Only a line longer than a segment has several; its texts, in parts, are never larger than its bytes.
    """
    shares: list[list[Record]] = [[] for _ in range(count)]
    at, size = count - 1, 0
    for record in reversed(records):
        size += len(record.text.encode("utf-8", "replace"))
        shares[at].insert(0, record)
        if size > 2 * limit and at > 0:
            at, size = at - 1, 0
    return shares


def checkpoint(cursor: Cursor, place: Place, stamp: Stamp) -> Checkpoint:
    """What a new watcher must know to go on from here."""
    return Checkpoint(
        transcript=place.transcript,
        generation=cursor.generation,
        end=cursor.end,
        line_start=cursor.line_start,
        sha256=cursor.hasher.hexdigest(),
        head=edge_hash(cursor.head),
        tail=edge_hash(cursor.tail),
        mtime_ns=stamp.mtime_ns,
        exchange_id=cursor.exchange,
    )


def _message(event: TranscriptChanged, after: Checkpoint) -> Message:
    return Message(
        subjects.changed(event.source, event.transcript),
        codec.encode(event),
        codec.segment_message_id(event),
        {codec.CHECKPOINT_HEADER: codec.encode(after).decode()},
    )
