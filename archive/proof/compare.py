"""Compares one copy of a transcript with its file, segment by segment, and names each gap. Pure but for the file.

A segment is compared where it lies, in any order; what no segment covers shows at the end.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

import msgspec

if TYPE_CHECKING:  # types only: this module does no I/O
    from mnemostream.archive.copies import Segment


class Gap(msgspec.Struct, frozen=True, order=True):
    """Bytes [start, end) of a file that a copy does not hold as they are."""

    file: str
    copy: str
    """database, log, or records."""
    start: int
    end: int
    kind: str
    transcript: str = ""


class Bytes(Protocol):
    """What a copy is compared with."""

    def read(self, start: int, end: int) -> bytes:
        """Bytes [start, end), fewer at the end."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def is_original(self) -> bool:
        """True for the bytes that the assistant wrote, False for those of a copy."""


class OnDisk:
    """A file that is open for reading."""

    is_original = True

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self._handle = handle
        self.size = size

    def read(self, start: int, end: int) -> bytes:
        self._handle.seek(start)
        return self._handle.read(max(0, min(end, self.size) - start))


class Comparison:
    """One copy of one generation against the file, fed with its segments."""

    def __init__(self, file: str, copy: str, transcript: str) -> None:
        self.file = file
        self.copy = copy
        self.transcript = transcript
        self.gaps: list[Gap] = []
        self.spans: list[tuple[int, int]] = []
        self.replaced = 0
        """Placeholders in the place of secrets."""
        self._hasher = hashlib.sha256()
        self._hashed = 0

    def gap(self, start: int, end: int, kind: str) -> None:
        """Notes a gap."""
        self.gaps.append(Gap(self.file, self.copy, start, end, kind, self.transcript))

    def take(self, segment: Segment, disk: Bytes, stop: int | None = None) -> None:
        """Compares one segment's bytes with the file's, and its checksum with the file up to its end. `stop` is where
        the next generation goes on with bytes of its own.

        Where secrets were replaced, all bytes around the placeholders are compared; the checksum is that of the file
        with its secrets.
        """
        end = segment.end if stop is None else min(stop, segment.end)
        try:
            kept = segment.bytes()
        except ValueError as error:
            self.gap(segment.start, segment.end, str(error))
            return
        kept = kept[: end - segment.start]
        there = self._there(segment, kept, end, disk)
        self.spans.append((segment.start, end))
        if kept != there:
            begin, different = difference(kept, there)
            kind = "the file is shorter than the archive" if len(there) < len(kept) else "different bytes"
            self.gap(segment.start + begin, segment.start + different, kind)
        elif end == segment.end and not self._sums_up(segment, disk):
            self.gap(segment.start, end, "checksum mismatch")

    def _sums_up(self, segment: Segment, disk: Bytes) -> bool:
        """True if the bytes up to a segment's end have its checksum, or if it is of other bytes than the copy's."""
        unknown = segment.kept_sha256 and not disk.is_original
        return bool(unknown) or self._checksum(segment.end, disk) == segment.sha256

    def _there(self, segment: Segment, kept: bytes, stop: int, disk: Bytes) -> bytes:
        """The file's bytes, with the placeholders that stand in the segment."""
        there = bytearray(disk.read(segment.start, stop))
        for start, after in segment.replaced:
            begin, end = start - segment.start, min(after, stop) - segment.start
            if 0 <= begin <= end <= len(there):
                there[begin:end] = kept[begin:end]
        self.replaced += sum(1 for start, _ in segment.replaced if start < stop)
        return bytes(there)

    def _checksum(self, end: int, disk: Bytes) -> bytes:
        """SHA-256 of the file up to `end`: running as long as segments come in their order."""
        if end < self._hashed:
            self._hasher, self._hashed = hashlib.sha256(), 0
        while self._hashed < end and (piece := disk.read(self._hashed, min(end, self._hashed + (1 << 20)))):
            self._hasher.update(piece)
            self._hashed += len(piece)
        return self._hasher.copy().digest()

    def finish(self, size: int) -> list[Gap]:
        """All gaps, those included that no segment covers."""
        reached = 0
        for start, end in sorted(self.spans):
            if start > reached and not self._named(reached, start):
                self.gap(reached, start, "missing")
            reached = max(reached, end)
        if reached < size and not self._named(reached, size):
            self.gap(reached, size, "missing" if self.spans else "not archived")
        return sorted(self.gaps)

    def _named(self, start: int, end: int) -> bool:
        return any(gap.start <= start and end <= gap.end for gap in self.gaps)


def difference(left: bytes, right: bytes) -> tuple[int, int]:
    """The range that holds all differing bytes of two texts.

    >>> difference(b"abcdef", b"abXdYf")
    (2, 5)
    """
    shorter = min(len(left), len(right))
    begin = _common(left, right, shorter)
    stop = max(len(left), len(right))
    if len(left) == len(right):
        stop -= _common(left[::-1], right[::-1], shorter - begin)
    return begin, stop


def _common(left: bytes, right: bytes, limit: int) -> int:
    """Length of the common beginning, by halving."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
