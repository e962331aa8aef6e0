"""Bytes of a transcript to records: whole lines, or one document. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from contracts.transcripts import Record
from runtime.logs import Log
from services.watcher.formats import lines
from services.watcher.formats.base import Context, Format, State
from services.watcher.parsing.shrink import TooLarge, shrink

log = Log("mnemo.parse")

NAMELESS = "line-?"
"""Stands for the id of a line that has none, until it is known that the line makes records."""

TEXT_PART_CHARS = 128 * 1024
"""Characters of one record's text in one event; longer texts travel in parts."""

LINE_LIMIT = 16 << 20
"""Bytes of a line, or of a document, up to which it is parsed as it is; in a larger one long texts are cut."""

KEEP = 1 << 20
"""Bytes kept of each text of such a line. All of its bytes are in the archive nevertheless."""


class FileOrigin(msgspec.Struct, frozen=True):
    """Which file: everything about it that no later byte in it can change."""

    transcript: str
    host: str
    root: str
    path: str
    format: Format
    file: Context
    whole: bool = False
    """One JSON document that is rewritten as a whole, instead of lines."""


class Unit(msgspec.Struct, frozen=True):
    """Bytes to parse: whole lines from `offset` on, or one document. `cut` = its long texts were cut."""

    offset: int
    data: bytes
    cut: bool = False


def bounded(offset: int, pieces: Iterable[bytes], length: int) -> Unit:
    """A line, or a document, of `length` bytes; the texts of one that is too large are cut."""
    if length <= LINE_LIMIT:
        return Unit(offset, b"".join(pieces))
    try:
        return Unit(offset, shrink(pieces, KEEP, LINE_LIMIT), cut=True)
    except TooLarge:
        return Unit(offset, b"\n", cut=True)


def parse(
    units: Iterable[Unit], origin: FileOrigin, state: State, *, counted: bool = False
) -> tuple[list[Record], Counter[str]]:
    """Records of whole lines and counts by record type; moves `state` on. `counted` = the first line was already."""
    counts: Counter[str] = Counter()
    records: list[Record] = []
    for unit in units:
        offset = unit.offset
        for line in [unit.data] if origin.whole else split(unit.data):
            line_records, named = _line(line, offset, origin, state)
            counts.update([] if counted else named)
            counted = False
            records += line_records
            offset += len(line)
        if unit.cut:
            counts["damaged:oversized"] += 1
    return records, counts


def _line(line: bytes, offset: int, origin: FileOrigin, state: State) -> tuple[list[Record], list[str]]:
    read = lines.read(line, document=origin.whole)
    named = [f"damaged:{read.damage}"] if read.damage else []
    parts: list[Record] = []
    for at, obj in read.objects:
        try:
            records, name = origin.format.records(obj, NAMELESS, offset + at, origin.file, state)
        except Exception as error:  # a hostile line must cost its records, never its bytes or other files
            log.error("parser failed on a line", source=origin.format.name, error=f"{type(error).__name__}: {error}")
            records, name = [], "damaged:parser_failed"
        named.append(name)
        if any(record.id == NAMELESS for record in records):
            records = _named(records, obj, state)
        for record in records:
            parts.extend(_parts(record))
    return parts, named


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
