"""Reads one file from where capture stands: bytes in, messages out. Runs in a thread, blocks on disk only."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from stat import S_ISREG

import msgspec

from contracts import codec, sources
from contracts.codec import iso
from contracts.projects import admitted
from runtime.files import Stat, stat_of
from services.watcher.changes import EDGE, FULL_CHECK, Verdict, edge_hash, judge
from services.watcher.formats import Identity, identify, lines
from services.watcher.known import Files, Handle, Known, Piece
from services.watcher.segments import Cursor, Place, Stamp, Unit, events, parse, split
from services.watcher.shrink import TooLarge, shrink

HEAD = 64 * 1024
"""First bytes of a file that say which assistant wrote it and for which project."""

LINE_LIMIT = 16 << 20
"""Bytes of a line, or of a document, up to which it is parsed as it is; in a larger one long texts are cut."""

KEEP = 1 << 20
"""Bytes kept of each text of such a line. All of its bytes are in the archive nevertheless."""

RACY_SECONDS = 0.1
"""A file may change twice within one tick of its file system's clock: what was read so soon after a change is
compared again when it has rested. https://git-scm.com/docs/racy-git describes the problem."""

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Without blocking: a pipe may have taken the place of a file."""

HOLDS_FILES = os.name != "nt"
"""An open file survives its deletion; on Windows it would prevent it."""


def step(known: Known, files: Files, moment: float, *, rested: bool) -> Piece:
    """The next piece of a file; moves `known` on. Raises OSError when the file cannot be read.

    `moment` is the Unix time. If the path leads elsewhere by now, or nowhere, the rest of the file that is held
    open comes first.
    """
    try:
        stat = os.stat(known.full)
    except FileNotFoundError:
        stat = None
    held = known.file
    if held and (stat is None or not os.path.samestat(os.fstat(held.fileno()), stat)):
        piece = _read(known, held, files, moment, rested=True)
        if piece.messages:
            return msgspec.structs.replace(piece, more=True)
        known.release()
        known.suspicious = True
    if stat is None or not S_ISREG(stat.st_mode):
        return Piece(gone=True)
    if known.file:
        return _read(known, known.file, files, moment, rested=rested)
    file = Handle(os.open(known.full, OPEN_FLAGS), files.touched)
    try:
        return _read(known, file, files, moment, rested=rested)
    finally:
        if HOLDS_FILES and not known.ignored:
            known.file = file
        else:
            file.close()


def _read(known: Known, file: io.FileIO, files: Files, moment: float, *, rested: bool) -> Piece:
    now = stat_of(os.fstat(file.fileno()))  # before reading: what is written later differs from it
    known.size = now.size
    if known.place is None and not _place(known, file, files, now, rested=rested):
        known.seen = now
        return Piece(torn=0 if known.ignored else now.size)
    place = known.place
    if place is None:
        raise AssertionError("an identified file has a place")
    rewritten = not _same_content(known, place, file, now)
    if rewritten:
        known.cursor = Cursor(place.format.state(), known.generation + 1)
        known.rest_until = 0.0
    cursor = known.cursor
    if cursor is None:
        raise AssertionError("a compared file has a cursor")
    known.seen, known.partial = now, None
    if moment - max(now.mtime_ns, now.ctime_ns) / 1e9 < RACY_SECONDS:
        known.unproven = True
    known.stamp = stamp = Stamp(iso(moment), now.mtime_ns, now.ctime_ns, known.unproven)
    left = now.size - cursor.end
    data = _at(file, cursor.end, min(files.segment, max(0, left)))
    if not data:
        return Piece([], rewritten=rewritten)
    length, ends = _cut(data, cursor, place, file, now, rested=rested, at_end=len(data) >= left)
    if not length:
        return Piece([], torn=left, rewritten=rewritten)
    data = data[:length]
    units = list(_units(data, cursor, place, file)) if ends else None
    made, counts = events(data, units, cursor, place, stamp)
    more = cursor.end < now.size
    if more:
        known.seen, known.partial = None, now
    return Piece(made, more, 0, rewritten, False, dict(counts))


def _cut(
    data: bytes, cursor: Cursor, place: Place, file: io.FileIO, now: Stat, *, rested: bool, at_end: bool
) -> tuple[int, bool]:
    """How many of the next bytes to ship, 0 = none yet, and whether a line, or the document, ends with them."""
    if place.whole:
        if not cursor.end and not rested and not _readable(file, now.size):
            return 0, False
        return len(data), at_end
    newline = data.rfind(b"\n") + 1
    if newline:
        return newline, True
    if not at_end:
        return len(data), False  # a line longer than a segment travels in fragments
    if not rested:
        return 0, False
    line = now.size - cursor.line_start
    return len(data), line <= LINE_LIMIT and _holds_objects(_at(file, cursor.line_start, line))


def _units(data: bytes, cursor: Cursor, place: Place, file: io.FileIO) -> Iterator[Unit]:
    """What is to be parsed when `data` follows at the cursor: the running line from its start, then the others."""
    if cursor.line_start == cursor.end:
        yield Unit(cursor.end, data)
        return
    first = len(data) if place.whole else data.find(b"\n") + 1 or len(data)
    length = cursor.end + first - cursor.line_start
    if length <= LINE_LIMIT:
        yield Unit(cursor.line_start, _at(file, cursor.line_start, length))
    else:
        try:
            cut = shrink(_pieces(file, cursor.line_start, length), KEEP, LINE_LIMIT)
        except TooLarge:
            cut = b"\n"
        yield Unit(cursor.line_start, cut, cut=True)
    if data[first:]:
        yield Unit(cursor.end + first, data[first:])


def _place(known: Known, file: io.FileIO, files: Files, now: Stat, *, rested: bool) -> bool:
    """Finds out what the file is; False while that is not known, or if it is not to be captured."""
    head = _at(file, 0, HEAD)
    if not head and not known.checkpoint:
        return False
    complete = now.size <= len(head)
    found = identify(known.path, head, known.source or known.root.source, complete=complete, rested=rested)
    if found is None:
        known.ignored = "no transcript of a known assistant" if rested else ""
        return False
    canary = found.format.name == sources.CANARY  # no project of anybody
    if not canary and not admitted(known.path, head, files.include, files.exclude):
        known.ignored = "excluded by settings"
        return False
    known.ignored = ""
    known.source = found.format.name
    known.place = place_of(known, found, files.host)
    known.transcript = known.place.transcript
    return True


def place_of(known: Known, found: Identity, host: str) -> Place:
    """The place of a file that was identified."""
    transcript = codec.transcript_id(found.format.name, host, known.root.folder, known.path)
    root, path = codec.printable(known.root.folder), codec.printable(known.path)
    return Place(transcript, host, root, path, found.format, found.format.context(path, found.first), found.whole)


def _same_content(known: Known, place: Place, file: io.FileIO, now: Stat) -> bool:
    """True if what is captured is still the beginning of the file. Makes a cursor where there is none."""
    if known.cursor is None and known.checkpoint is None:
        known.cursor = Cursor(place.format.state())
        return True
    verdict = judge(known.captured, known.seen, now)
    if verdict is Verdict.SHRUNK:
        known.cursor = known.cursor or Cursor(place.format.state(), known.generation)
        return False
    if known.cursor is None:
        return _warm(known, place, file)
    cursor = known.cursor
    untouched = now == known.partial or (verdict is Verdict.SAME and not known.unproven)
    if untouched and not known.suspicious:
        return True
    if verdict is not Verdict.GROWN or known.suspicious or place.whole or cursor.end <= FULL_CHECK:
        known.suspicious = known.unproven = False
        return _hashed(place, file, cursor.end).hasher.digest() == cursor.hasher.digest()
    known.unproven = True
    tail = cursor.end - len(cursor.tail)
    return _at(file, 0, len(cursor.head)) == cursor.head and _at(file, tail, len(cursor.tail)) == cursor.tail


def _warm(known: Known, place: Place, file: io.FileIO) -> bool:
    """Rebuilds the running hash and the parser's state by reading what is captured; the head alone tells
    most rewrites at once."""
    last = known.checkpoint
    if last is None:
        raise AssertionError("a file without a cursor has a checkpoint")
    if edge_hash(_at(file, 0, min(EDGE, last.end))) != last.head:
        return False
    cursor = _hashed(place, file, last.end)
    if cursor.hasher.hexdigest() != last.sha256:
        return False
    cursor.generation = last.generation
    cursor.line_start = last.line_start
    if not place.whole:
        _restore(cursor, place, file)
    known.cursor = cursor
    known.suspicious = known.unproven = False
    return True


def _hashed(place: Place, file: io.FileIO, end: int) -> Cursor:
    cursor = Cursor(place.format.state())
    for data in _pieces(file, 0, end):
        cursor.feed(data)
    return cursor


def _restore(cursor: Cursor, place: Place, file: io.FileIO) -> None:
    """The parser's state after the lines before `line_start`: lines that cannot change it are not decoded."""
    rest = b""
    at = 0
    for data in _pieces(file, 0, cursor.line_start):
        whole, newline, after = data.rpartition(b"\n")
        if not newline:
            rest += data[: max(0, LINE_LIMIT - len(rest))]
            continue
        for line in split(rest + whole + newline):
            if place.format.matters(line):
                parse([Unit(at, line)], place, cursor.state)
            at += len(line)
        rest = after
    torn = cursor.end - cursor.line_start
    cursor.counted = 0 < torn <= LINE_LIMIT and _holds_objects(_at(file, cursor.line_start, torn))


def _pieces(file: io.FileIO, start: int, length: int) -> Iterator[bytes]:
    """Bytes [start, start + length) in pieces; fewer only at the end of the file."""
    file.seek(start)
    while length > 0 and (data := file.read(min(1 << 20, length))):
        yield data
        length -= len(data)


def _readable(file: io.FileIO, size: int) -> bool:
    """True if a document is complete; one too large to look at is read when it has rested."""
    return size <= LINE_LIMIT and bool(lines.read(_at(file, 0, size), document=True).objects)


def _holds_objects(data: bytes) -> bool:
    """True if a line without its newline gives records; when more of it comes they are read again, with the same
    ids."""
    return bool(lines.read(data).objects)


def _at(file: io.FileIO, offset: int, length: int) -> bytes:
    return b"".join(_pieces(file, offset, length))
