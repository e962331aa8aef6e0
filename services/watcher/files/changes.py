"""What happened to a file, from what is known and what is seen. Pure.

Identity is the content (hashes of the captured bytes), never the inode.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a type only: this module does no I/O
    from mnemostream.runtime.disk.files import Stat

EDGE = 4096
"""Bytes hashed at the head of a file and before the captured offset."""

FULL_CHECK = 1 << 20
"""Captured bytes up to which every growth compares all of them; above it the edges, and all of them at rest."""


class FileChange(Enum):
    """What to do about a file."""

    SAME = "nothing new"
    GROWN = "bytes were appended, if what is captured is still there"
    TOUCHED = "same size, other time: compare the whole content"
    SHRUNK = "shorter than what is captured: a new generation"


def judge(captured: int, last: Stat | None, seen: Stat) -> FileChange:
    """`captured` bytes are stored; `last` is the stat at which all of them were read, None if unknown."""
    if seen.size < captured:
        return FileChange.SHRUNK
    if last is not None and seen == last:
        return FileChange.SAME
    if seen.size > captured:
        return FileChange.GROWN
    return FileChange.TOUCHED if last is not None and captured else FileChange.SAME


def edge_hash(data: bytes) -> str:
    """Hex SHA-256 of an edge."""
    return hashlib.sha256(data).hexdigest()


def rest_needed(size: int) -> float:
    """Seconds of rest after which a file whose growth was judged by its edges is compared as a whole.

    A file of n bytes is read once per rest, so that the comparison costs at most 8 MiB/s.
    """
    return max(60.0, size / (8 << 20))
