"""Bytes of a transcript to records: whole lines, or one document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from mnemostream.contracts.transcripts import Kind, Record
from mnemostream.runtime.disk import bodies, packed
from mnemostream.runtime.logs import Log
from mnemostream.services.watcher.formats import lines
from mnemostream.services.watcher.formats.base import Context, Format, State
from mnemostream.services.watcher.parsing.shrink import TooLarge, shrink

log = Log("mnemo.parse")

TEXT_PART_CHARS = 128 * 1024
"""Characters of one record's text in one event; longer texts travel in parts."""

PACK_CHARS = 600
"""Characters from which a tool's result is compressed in an event."""

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
    packed: bool = False
    """Compressed by its assistant."""

    @property
    def opaque(self) -> bool:
        """True for a file that is archived and never read."""
        return self.format.opaque

    @property
    def at_once(self) -> bool:
        """True for a file that is captured and read as one piece."""
        return self.whole or self.packed

    @property
    def is_saved(self) -> bool:
        """True for a document whose saves have their beginnings in common, as a rule."""
        return self.whole and not self.packed and not self.opaque


class Unit(msgspec.Struct, frozen=True):
    """Bytes to parse: whole lines from `offset` on, or one document. `damage` = how they differ from the file's."""

    offset: int
    data: bytes
    damage: str = ""


def bounded(offset: int, pieces: Iterable[bytes], length: int) -> Unit:
    """A line, or a document, of `length` bytes; the texts of one that is too large are cut."""
    if length <= LINE_LIMIT:
        return Unit(offset, b"".join(pieces))
    try:
        return Unit(offset, shrink(pieces, KEEP, LINE_LIMIT), "oversized")
    except TooLarge:
        return Unit(offset, b"\n", "oversized")


def units_of(chain: Iterable[bytes], *, whole: bool) -> Iterator[Unit]:
    """Lines, or the document, in units that can be parsed; the texts of what is too large are cut."""
    at = 0
    pending: list[bytes] = []
    for piece in chain:
        lines, newline, rest = (b"", b"", piece) if whole else piece.rpartition(b"\n")
        if newline:
            first, _, others = lines.partition(b"\n")
            line = [*pending, first, b"\n"]
            length = sum(map(len, line))
            yield bounded(at, line, length)
            at += length
            if others or len(lines) > len(first):
                yield Unit(at, others + newline)
                at += len(others) + 1
            pending = []
        if rest:
            pending.append(rest)
    if pending:
        yield bounded(at, pending, sum(map(len, pending)))


def unpacked_units(chain: Iterable[bytes], *, whole: bool) -> Iterator[Unit]:
    """The units of a compressed transcript, of a damaged one those before the damage; offsets are of its content."""
    damage = ""

    def content() -> Iterator[bytes]:
        nonlocal damage
        try:
            yield from packed.unpacked(chain)
        except packed.Damaged:
            damage = "compression"

    yield from units_of(content(), whole=whole)
    if damage:
        yield Unit(0, b"", damage)


def parse(
    units: Iterable[Unit], origin: FileOrigin, state: State, *, counted: bool = False, rebuilt: bool = False
) -> tuple[list[Record], Counter[str]]:
    """Records of whole lines and counts by record type; moves `state` on. `counted` = the first line was already;
    `rebuilt` = only the state is wanted."""
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
        if unit.damage:
            counts[f"damaged:{unit.damage}"] += 1
        for record in [] if rebuilt else origin.format.flushed(offset, origin.file, state):
            records.extend(_parts(record))
    return records, counts


def _line(line: bytes, offset: int, origin: FileOrigin, state: State) -> tuple[list[Record], list[str]]:
    plain = origin.format.plain
    read = lines.words(line) if plain else lines.read(line, document=origin.whole)
    named = [f"damaged:{read.damage}"] if read.damage else []
    parts: list[Record] = []
    for at, obj in read.objects:
        try:
            records, names = origin.format.records(obj, offset + at, origin.file, state)
        except Exception as error:  # a hostile line must cost its records, never its bytes or other files
            log.error("parser failed on a line", source=origin.format.name, error=f"{type(error).__name__}: {error}")
            records, names = [], ["damaged:parser_failed"]
        named += names
        for record in records:
            parts.extend(_parts(record))
    return parts, named


def split(data: bytes) -> list[bytes]:
    """Lines end at newline only; `splitlines` would also end them at a lone carriage return."""
    pieces = [piece + b"\n" for piece in data.split(b"\n")]
    pieces[-1] = pieces[-1][:-1]
    return pieces if pieces[-1] else pieces[:-1]


def _parts(record: Record) -> Iterator[Record]:
    text = record.text
    if len(text) <= TEXT_PART_CHARS:
        yield _packed(record)
        return
    part = at = 0
    while at < len(text):
        stop = min(at + TEXT_PART_CHARS, len(text))
        if stop < len(text):  # at white space if there is any near the end, so that no word is cut
            space = max(text.rfind(" ", stop - 2048, stop), text.rfind("\n", stop - 2048, stop))
            stop = space + 1 if space > at else stop
        yield _packed(msgspec.structs.replace(record, text=text[at:stop], part=part))
        at, part = stop, part + 1


def _packed(record: Record) -> Record:
    """A long result of a tool travels compressed."""
    if record.kind is not Kind.TOOL_RESULT or len(record.text) < PACK_CHARS:
        return record
    return msgspec.structs.replace(record, text="", packed=bodies.pack(record.text))
