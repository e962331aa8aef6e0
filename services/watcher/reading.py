"""Reads one file from where capture stands: bytes in, messages out. Runs in a thread, blocks on disk only."""

from __future__ import annotations

import os
from typing import BinaryIO

import msgspec

from contracts.events import Checkpoint
from runtime.bus import Message
from services.watcher.changes import EDGE, Seen, Verdict, cut, edge_hash, judge
from services.watcher.formats import lines
from services.watcher.segments import Cursor, Place, Stamp, events


class Known:
    """What is known of one file."""

    def __init__(self, place: Place, checkpoint: Checkpoint | None) -> None:
        self.place = place
        self.checkpoint = checkpoint
        """From the log; the cursor takes over once the file's content was compared with it."""
        self.cursor = Cursor() if checkpoint is None else None
        self.seen: Seen | None = None
        self.size = 0
        self.rest_until = 0.0
        """Monotonic time at which an unterminated last line counts as finished; 0 = there is none."""
        if checkpoint:
            self.seen = Seen(checkpoint.end, checkpoint.mtime_ns)

    @property
    def captured(self) -> int:
        return self.cursor.end if self.cursor else self.checkpoint.end if self.checkpoint else 0

    @property
    def generation(self) -> int:
        return self.cursor.generation if self.cursor else self.checkpoint.generation if self.checkpoint else 0


class Piece(msgspec.Struct, frozen=True):
    """The outcome of one reading: messages, whether more can be read at once, torn bytes left."""

    messages: list[Message]
    more: bool
    torn: int = 0
    rewritten: bool = False
    counts: dict[str, int] = {}


def read(known: Known, full: str, seen: Seen, captured_at: str, *, segment: int, rested: bool) -> Piece:
    """The next piece of a file; moves `known` on. Raises OSError when the file cannot be read."""
    verdict = judge(known.captured, known.seen, seen)
    if verdict is Verdict.SAME and not known.rest_until:
        known.size = seen.size
        return Piece([], False)
    with open(full, "rb", buffering=0) as file:
        stat = os.fstat(file.fileno())  # before reading: what is written later differs from it
        now = Seen(stat.st_size, stat.st_mtime_ns)
        rewritten = not _same_content(known, file, now, verdict)
        if rewritten:
            known.cursor = Cursor(known.generation + 1)
            known.rest_until = 0.0
        cursor = known.cursor
        if cursor is None:
            raise AssertionError("a compared file has a cursor")
        known.seen, known.size = now, now.size
        stamp = Stamp(captured_at, now.mtime_ns)
        data, complete = _next_bytes(file, cursor, segment, now.size)
        if not data:
            return Piece([], False, 0, rewritten)
        if not complete and not rested:
            return Piece([], False, len(data), rewritten)
        pending = _at(file, cursor.line_start, cursor.end - cursor.line_start)
        if not complete:
            complete = _parses(pending + data)
        made, counts = events(data, pending, cursor, known.place, stamp, limit=segment, complete=complete)
        more = cursor.end < now.size
        if more:
            known.seen = None  # read on, whatever the next stat says
        return Piece(made, more, 0, rewritten, counts)


def _same_content(known: Known, file: BinaryIO, now: Seen, verdict: Verdict) -> bool:
    """True if what is captured is still the beginning of the file. Warms up a cursor from the log."""
    if verdict is Verdict.SHRUNK or now.size < known.captured:
        known.cursor = known.cursor or Cursor(known.generation)
        return False
    if known.cursor is None:
        return _warm(known, file)
    cursor = known.cursor
    if verdict is Verdict.TOUCHED:
        return _hashed(file, cursor.end).hasher.digest() == cursor.hasher.digest()
    return _at(file, 0, len(cursor.head)) == cursor.head and _at(
        file, cursor.end - len(cursor.tail), len(cursor.tail)
    ) == (cursor.tail)


def _warm(known: Known, file: BinaryIO) -> bool:
    """Rebuilds the running hash by reading what is captured; the edges alone tell most rewrites at once."""
    checkpoint = known.checkpoint
    if checkpoint is None:
        raise AssertionError("a file without a cursor has a checkpoint")
    size = min(EDGE, checkpoint.end)
    if edge_hash(_at(file, 0, size)) != checkpoint.head:
        return False
    cursor = _hashed(file, checkpoint.end)
    if cursor.hasher.hexdigest() != checkpoint.sha256:
        return False
    cursor.generation = checkpoint.generation
    cursor.line_start = checkpoint.line_start
    cursor.exchange = checkpoint.exchange_id
    known.cursor = cursor
    return True


def _hashed(file: BinaryIO, end: int) -> Cursor:
    cursor = Cursor()
    file.seek(0)
    while cursor.end < end and (data := file.read(min(1 << 20, end - cursor.end))):
        cursor.feed(data)
    return cursor


def _next_bytes(file: BinaryIO, cursor: Cursor, segment: int, size: int) -> tuple[bytes, bool]:
    """Whole lines of up to `segment` bytes, else one whole longer line, else the torn rest (not complete)."""
    file.seek(cursor.end)
    data = _exactly(file, min(segment, max(0, size - cursor.end)))
    length = cut(data, segment)
    if length:
        return data[:length], True
    pieces = [data]
    while cursor.end + sum(map(len, pieces)) < size:
        more = _exactly(file, min(1 << 20, size - cursor.end - sum(map(len, pieces))))
        if not more:
            break
        newline = more.find(b"\n")
        if newline >= 0:
            return b"".join([*pieces, more[: newline + 1]]), True
        pieces.append(more)
    return b"".join(pieces), False


def _parses(data: bytes) -> bool:
    found = lines.read(data)
    return bool(found.objects) and not found.damage


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return _exactly(file, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    """`length` bytes, fewer only at the end of the file: an unbuffered read may stop short."""
    data = file.read(length)
    while len(data) < length and (more := file.read(length - len(data))):
        data += more
    return data
