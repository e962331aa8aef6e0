"""Bytes of a transcript to events: whole lines, their records, the checkpoint after them."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import zstandard

from contracts import codec, subjects
from contracts.transcripts import Checkpoint, Record, TranscriptChanged
from runtime.bus import Message
from runtime.logs import Log
from services.watcher.changes import EDGE, edge_hash
from services.watcher.formats import lines
from services.watcher.formats.base import Context, Format, State

log = Log("mnemo.parse")

NAMELESS = "line-?"
"""Stands for the id of a line that has none, until it is known that the line makes records."""

TEXT_PART_CHARS = 128 * 1024
"""Characters of one record's text in one event; longer texts travel in parts."""

RECORDS_BUDGET = 1 << 20
"""Bytes of record texts in one event; more of them travel ahead of the segment, in events without bytes."""


class Place(msgspec.Struct, frozen=True):
    """Which file: everything about it that no later byte in it can change."""

    transcript: str
    host: str
    root: str
    path: str
    format: Format
    file: Context
    whole: bool = False
    """One JSON document that is rewritten as a whole, instead of lines."""


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
        self.head = b""
        self.tail = b""

    def feed(self, data: bytes) -> None:
        """Moves over bytes that are, or become, captured."""
        self.hasher.update(data)
        if len(self.head) < EDGE:
            self.head = (self.head + data[:EDGE])[:EDGE]
        self.tail = (self.tail + data[-EDGE:])[-EDGE:]
        self.end += len(data)


class Unit(msgspec.Struct, frozen=True):
    """Bytes to parse: whole lines from `offset` on, or one document. `cut` = its long texts were cut."""

    offset: int
    data: bytes
    cut: bool = False


def parse(
    units: Iterable[Unit], place: Place, state: State, *, counted: bool = False
) -> tuple[list[Record], Counter[str]]:
    """Records of whole lines and counts by record type; moves `state` on. `counted` = the first line was already."""
    counts: Counter[str] = Counter()
    found: list[Record] = []
    for unit in units:
        offset = unit.offset
        for line in [unit.data] if place.whole else split(unit.data):
            records, named = _line(line, offset, place, state)
            counts.update([] if counted else named)
            counted = False
            found += records
            offset += len(line)
        if unit.cut:
            counts["damaged:oversized"] += 1
    return found, counts


def _line(line: bytes, offset: int, place: Place, state: State) -> tuple[list[Record], list[str]]:
    read = lines.read(line, document=place.whole)
    named = [f"damaged:{read.damage}"] if read.damage else []
    found: list[Record] = []
    for at, obj in read.objects:
        try:
            records, name = place.format.records(obj, NAMELESS, offset + at, place.file, state)
        except Exception as error:  # a hostile line must cost its records, never its bytes or other files
            log.error("a line was not understood", source=place.format.name, error=f"{type(error).__name__}: {error}")
            records, name = [], "damaged:parser_failed"
        named.append(name)
        if any(record.id == NAMELESS for record in records):
            records = _named(records, obj, state)
        for record in records:
            found.extend(_parts(record))
    return found, named


def _named(records: list[Record], obj: lines.Object, state: State) -> list[Record]:
    """Gives a line without an id of its own the hash of its object, and its ordinal among identical ones. What
    else stands on a damaged line must not change the id."""
    digest = hashlib.sha256(msgspec.json.encode(obj)).digest()
    short = int.from_bytes(digest[:8], "big")
    ordinal = state.ordinals.get(short, 0)
    state.ordinals[short] = ordinal + 1
    name = f"line-{digest[:16].hex()}" + (f"-{ordinal}" if ordinal else "")
    if state.exchange == NAMELESS:
        state.exchange = name
    return [
        msgspec.structs.replace(
            record,
            id=name if record.id == NAMELESS else record.id,
            exchange_id=name if record.exchange_id == NAMELESS else record.exchange_id,
        )
        for record in records
    ]


def split(data: bytes) -> list[bytes]:
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
    """When a piece was read, and the file's times before reading."""

    captured_at: str
    mtime_ns: int
    ctime_ns: int = 0
    unproven: bool = False


def events(
    data: bytes, units: list[Unit] | None, cursor: Cursor, place: Place, stamp: Stamp
) -> tuple[list[Message], Counter[str]]:
    """The messages for `data`, the bytes from `cursor.end` on, and its line counts; advances the cursor.

    `units` are the lines that end with the data, the beginning of a running line included; None says that no
    line ends here: the data is a fragment and yields no records.
    """
    records: list[Record] = []
    counts: Counter[str] = Counter({"fragment": 1} if units is None else {})
    ended = units is not None and not place.whole and data.endswith(b"\n")
    if units is not None:
        state = cursor.state if ended else copy.deepcopy(cursor.state)
        records, counts = parse(units, place, state, counted=cursor.counted)
        cursor.counted = not ended
    shares = list(batches(records))
    made = [
        _message(_event(cursor, place, stamp, b"", batch, part=number), checkpoint(cursor, place, stamp))
        for number, batch in enumerate(shares[:-1], start=1)
    ]
    before = cursor.end
    cursor.feed(data)
    if ended:
        cursor.line_start = cursor.end
    event = _event(cursor, place, stamp, data, shares[-1] if shares else [], start=before, counts=dict(counts))
    made.append(_message(event, checkpoint(cursor, place, stamp)))
    return made, counts


def batches(records: list[Record]) -> Iterator[list[Record]]:
    """Records in batches of at most `RECORDS_BUDGET` bytes of text."""
    batch: list[Record] = []
    size = 0
    for record in records:
        length = len(record.text.encode("utf-8", "replace")) + len(record.cwd) + len(record.tool_input) + 1024
        if batch and size + length > RECORDS_BUDGET:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def _event(
    cursor: Cursor,
    place: Place,
    stamp: Stamp,
    data: bytes,
    records: list[Record],
    *,
    part: int = 0,
    start: int | None = None,
    counts: dict[str, int] | None = None,
) -> TranscriptChanged:
    return TranscriptChanged(
        transcript=place.transcript,
        source=place.format.name,
        host=place.host,
        root=place.root,
        path=place.path,
        session_id=place.file.session_id,
        generation=cursor.generation,
        start=cursor.end if start is None else start,
        end=cursor.end,
        data=zstandard.compress(data, 3) if data else b"",
        sha256=cursor.hasher.hexdigest(),
        captured_at=stamp.captured_at,
        records=records,
        counts=counts or {},
        subagent=place.file.subagent,
        part=part,
        parser=place.format.version,
    )


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
        ctime_ns=stamp.ctime_ns,
        unproven=stamp.unproven,
    )


def _message(event: TranscriptChanged, after: Checkpoint) -> Message:
    return Message(
        subjects.changed(event.source, event.transcript),
        codec.encode(event),
        codec.segment_message_id(event),
        {codec.CHECKPOINT_HEADER: codec.encode(after).decode()},
    )
