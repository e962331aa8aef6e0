"""Reads one file from where capture stands: bytes in, messages out. Runs in a thread, blocks on disk only."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from stat import S_ISREG

import msgspec

from mnemostream.contracts.codec import iso
from mnemostream.runtime.disk import packed
from mnemostream.runtime.disk.files import stat_of
from mnemostream.runtime.disk.generations import MOST_BASES
from mnemostream.runtime.secrets.pieces import CONTEXT
from mnemostream.services.watcher.files.access import pieces, read_at
from mnemostream.services.watcher.files.compare import holds_objects, same_content
from mnemostream.services.watcher.files.following import following
from mnemostream.services.watcher.files.identify import identified
from mnemostream.services.watcher.files.tracked import Files, Handle, ReadResult, TrackedFile
from mnemostream.services.watcher.formats import lines
from mnemostream.services.watcher.parsing.secrecy import NOT_LOOKED, Cut, Secrecy, Secrets
from mnemostream.services.watcher.parsing.segments import Cursor, Stamp, events
from mnemostream.services.watcher.parsing.units import LINE_LIMIT, FileOrigin, Unit, bounded, unpacked_units

RACY_SECONDS = 0.1
"""A file may change twice within one tick of its file system's clock: what was read so soon after a change is
compared again when it has rested. https://git-scm.com/docs/racy-git describes the problem."""

_FLAGS = ("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_BINARY")
OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _FLAGS)
"""Without blocking, and without following a link: a pipe or a link may have taken the place of a file."""

HOLDS_FILES = os.name != "nt"
"""An open file survives its deletion; on Windows it would prevent it."""


def read_next(known: TrackedFile, files: Files, moment: float, *, rested: bool) -> ReadResult:
    """The next piece of a file; moves `known` on. Raises OSError when the file cannot be read.

    `moment` is the Unix time. If the path leads elsewhere by now, or nowhere, the rest of the file that is held
    open comes first.
    """
    try:
        stat = os.lstat(known.full)  # what has become a link is gone
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
        return ReadResult(gone=True)
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


def _read(known: TrackedFile, file: io.FileIO, files: Files, moment: float, *, rested: bool) -> ReadResult:
    now = stat_of(os.fstat(file.fileno()))  # before reading: what is written later differs from it
    known.size = now.size
    if known.origin is None and not identified(known, file, files, now, rested=rested):
        known.seen = now
        return ReadResult(torn=0 if known.ignored else now.size)
    origin = known.origin
    if origin is None:
        raise AssertionError("an identified file has an origin")
    told = known.go_back()  # that it was rewritten
    before = _believed(known.cursor, origin, files.refused)
    rewritten = not same_content(known, origin, file, now, files.secrecy)
    if rewritten:
        known.cursor = following(known, origin, file, now.size, replaces=files.secrecy.replace)
        known.settled = (before,)
        known.rest_until = 0.0
        rewritten = not told
    cursor = known.cursor
    if cursor is None:
        raise AssertionError("a compared file has a cursor")
    known.seen, known.partial = now, None
    if moment - max(now.mtime_ns, now.ctime_ns) / 1e9 < RACY_SECONDS:
        known.unproven = True
    known.stamp = stamp = Stamp(iso(moment), now.mtime_ns, now.ctime_ns, known.unproven)
    data = read_at(file, cursor.end, min(files.segment, max(0, now.size - cursor.end)))
    if not data or _refused(known, origin, file, now.size, files.secrecy):
        return ReadResult(rewritten=rewritten)
    length, ends = _cut(data, cursor, origin, file, now.size, rested=rested)
    if files.secrecy.replace and not ends and _may_be_half(cursor.end + length >= now.size, origin, rested=rested):
        length = 0
    if not length:
        return ReadResult(torn=now.size - cursor.end, rewritten=rewritten)
    data = data[:length]
    units, secrets = _looked(data, cursor, origin, file, files.secrecy, ends=ends)
    messages, counts = events(data, units, cursor, origin, stamp, secrets)
    more = cursor.end < now.size
    if more:
        known.seen, known.partial = None, now
    return ReadResult(messages, more=more, rewritten=rewritten, counts=dict(counts))


def _believed(cursor: Cursor | None, origin: FileOrigin, refused: set[str]) -> Cursor | None:
    """The cursor; where the log has refused records of a document, the next save is whole."""
    if cursor and cursor.save and origin.transcript in refused:
        refused.discard(origin.transcript)
        cursor.save.depth = MOST_BASES
    return cursor


def _looked(
    data: bytes, cursor: Cursor, origin: FileOrigin, file: io.FileIO, secrecy: Secrecy, *, ends: bool
) -> tuple[list[Unit] | None, Secrets]:
    """What is to be parsed, as it is kept, and the secrets in the next bytes. Of what is compressed, in its content."""
    secrets = _secrets(data, cursor, origin, file, secrecy)
    kept = secrets.kept if secrets.replaced else data
    units = list(_units(kept, cursor, origin, file, secrecy)) if ends else None
    if origin.packed:
        return units, secrecy.count(units or [])
    return units, secrets


def _secrets(data: bytes, cursor: Cursor, origin: FileOrigin, file: io.FileIO, secrecy: Secrecy) -> Secrets:
    """The secrets in the next bytes, with what lies around them where they begin or end within a line."""
    if secrecy.scanner is None or origin.packed:
        return NOT_LOOKED
    by_line = not origin.opaque and not origin.whole
    shared = cursor.base is not None and cursor.begins
    begin = 0 if shared else max(cursor.line_start if by_line else 0, cursor.end - CONTEXT)
    before = read_at(file, begin, cursor.end - begin) if begin < cursor.end else b""
    cut = by_line and data.endswith(b"\n")
    after = b"" if cut else read_at(file, cursor.end + len(data), CONTEXT)
    return secrecy.look(Cut(cursor.end, data, before, after, by_line, shared))


def _refused(known: TrackedFile, origin: FileOrigin, file: io.FileIO, size: int, secrecy: Secrecy) -> bool:
    """True for a file whose secrets cannot be replaced in their place: not captured, and listed with the reason."""
    if not secrecy.replace or not (origin.packed or origin.opaque) or known.captured:
        return False
    content = packed.unpacked(pieces(file, 0, size)) if origin.packed else None
    if not (why := secrecy.refuses(read_at(file, 0, 16), content)):
        return False
    known.origin = known.cursor = known.settled = None
    known.ignored = why
    return True


def _may_be_half(at_end: bool, origin: FileOrigin, *, rested: bool) -> bool:
    """True for the end of what is being written, where half of a secret looks like none: a line that is not ended, an
    attachment that has not rested."""
    return not rested if origin.opaque else at_end and not origin.at_once


def _cut(
    data: bytes, cursor: Cursor, origin: FileOrigin, file: io.FileIO, size: int, *, rested: bool
) -> tuple[int, bool]:
    """How many of the next bytes to ship, 0 = none yet, and whether a line, or the document, ends with them. `size` is
    that of the file before it was read: it may have grown since."""
    at_end = cursor.end + len(data) >= size
    if origin.opaque:
        return len(data), False
    if origin.at_once:
        if cursor.begins and not rested and (origin.packed or not _readable(file, size)):
            return 0, False
        return len(data), at_end
    newline = data.rfind(b"\n") + 1
    if newline:
        return newline, True
    if not at_end:
        return len(data), False  # a line longer than a segment travels in fragments
    if not rested:
        return 0, False
    line = size - cursor.line_start
    return len(data), line <= LINE_LIMIT and holds_objects(read_at(file, cursor.line_start, line))


def _units(data: bytes, cursor: Cursor, origin: FileOrigin, file: io.FileIO, secrecy: Secrecy) -> Iterator[Unit]:
    """What is to be parsed when `data` follows at the cursor: the running line from its start, then the others."""
    if origin.packed:
        yield from unpacked_units(pieces(file, 0, cursor.end + len(data)), whole=origin.whole)
        return
    if cursor.line_start == cursor.end:
        yield Unit(cursor.end, data)
        return
    first = len(data) if origin.whole else data.find(b"\n") + 1 or len(data)
    length = cursor.end + first - cursor.line_start
    yield bounded(cursor.line_start, secrecy.stream(pieces(file, cursor.line_start, length)), length)
    if data[first:]:
        yield Unit(cursor.end + first, data[first:])


def _readable(file: io.FileIO, size: int) -> bool:
    """True if a document is complete; one too large to look at is read when it has rested."""
    return size <= LINE_LIMIT and bool(lines.read(read_at(file, 0, size), document=True).objects)
