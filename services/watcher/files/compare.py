"""Is what is captured still the beginning of a file? Compared by content, in a thread that blocks on disk only."""

from __future__ import annotations

import io

from mnemostream.runtime.disk.files import Stat
from mnemostream.runtime.disk.generations import MOST_BASES
from mnemostream.services.watcher.files.access import pieces, read_at
from mnemostream.services.watcher.files.changes import EDGE, FULL_CHECK, FileChange, edge_hash, judge
from mnemostream.services.watcher.files.following import fresh
from mnemostream.services.watcher.files.tracked import TrackedFile
from mnemostream.services.watcher.formats import lines
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from mnemostream.services.watcher.parsing.segments import Cursor
from mnemostream.services.watcher.parsing.units import LINE_LIMIT, FileOrigin, Unit, parse, split


def same_content(known: TrackedFile, origin: FileOrigin, file: io.FileIO, now: Stat, secrecy: Secrecy) -> bool:
    """True if what is captured is still the beginning of the file. Makes a cursor where there is none."""
    if known.cursor is None and not known.kept:
        known.cursor = fresh(origin)
        return True
    change = judge(known.captured, known.seen, now)
    if change is FileChange.SHRUNK:
        known.cursor = known.cursor or Cursor(origin.format.state(), known.generation)
        return False
    if known.cursor is None:
        return _warm(known, origin, file, secrecy, now.size)
    cursor = known.cursor
    untouched = now == known.partial or (change is FileChange.SAME and not known.unproven)
    if untouched and not known.suspicious:
        return True
    if change is not FileChange.GROWN or known.suspicious or origin.at_once or cursor.end <= FULL_CHECK:
        known.suspicious = known.unproven = False
        return _hashed(origin, file, cursor.end).hasher.digest() == cursor.hasher.digest()
    known.unproven = True
    tail = cursor.end - len(cursor.tail)
    return read_at(file, 0, len(cursor.head)) == cursor.head and read_at(file, tail, len(cursor.tail)) == cursor.tail


def _warm(known: TrackedFile, origin: FileOrigin, file: io.FileIO, secrecy: Secrecy, size: int) -> bool:
    """Rebuilds the running hash and the parser's state by reading what is captured; the head alone tells
    most rewrites at once."""
    last = known.checkpoint
    if last is None:
        raise AssertionError("a file without a cursor has a checkpoint")
    if origin.is_saved and not origin.opaque and size != last.end:
        return False  # which of its records the log holds, and in which revision, is known no more
    if edge_hash(read_at(file, 0, min(EDGE, last.end))) != last.head:
        return False
    cursor = _hashed(origin, file, last.end, fresh(origin))
    if cursor.hasher.hexdigest() != last.sha256:
        return False
    cursor.generation = last.generation
    cursor.line_start = last.line_start
    if cursor.save:
        cursor.save.depth = (
            MOST_BASES  # the next save is whole: how long the chain is, and what was replaced, is not known
        )
    cursor.replaced = last.replaced
    cursor.lineage = last.lineage
    if not origin.at_once:
        _restore(cursor, origin, file, secrecy)
    known.cursor = cursor
    known.suspicious = known.unproven = False
    return True


def _hashed(origin: FileOrigin, file: io.FileIO, end: int, cursor: Cursor | None = None) -> Cursor:
    cursor = cursor or Cursor(origin.format.state())
    for data in pieces(file, 0, end):
        cursor.feed(data)
    return cursor


def _restore(cursor: Cursor, origin: FileOrigin, file: io.FileIO, secrecy: Secrecy) -> None:
    """The parser's state after the lines before `line_start`: lines that cannot change it are not decoded."""
    rest = b""
    at = 0
    for data in pieces(file, 0, cursor.line_start):
        whole, newline, after = data.rpartition(b"\n")
        if not newline:
            rest += data[: max(0, LINE_LIMIT - len(rest))]
            continue
        for line in split(secrecy.kept(rest + whole + newline)):
            if origin.format.matters(line, cursor.state):
                parse([Unit(at, line)], origin, cursor.state, rebuilt=True)
            at += len(line)
        rest = after
    torn = cursor.end - cursor.line_start
    cursor.counted = 0 < torn <= LINE_LIMIT and holds_objects(read_at(file, cursor.line_start, torn))


def holds_objects(data: bytes) -> bool:
    """True if a line without its newline gives records; when more of it comes they are read again, with the same
    ids."""
    return bool(lines.read(data).objects)
