"""What happened to a file, from what is known and what is seen. Pure.

Identity is the content (hashes of the first and of the last captured bytes), never the inode.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec

EDGE = 4096
"""Bytes hashed at the head of a file and before the captured offset."""


class Seen(msgspec.Struct, frozen=True):
    """A stat: size in bytes, modification time in ns."""

    size: int
    mtime_ns: int


class Verdict(Enum):
    """What to do about a file."""

    SAME = "nothing new"
    GROWN = "bytes were appended, if the edges still match"
    TOUCHED = "same size, other time: compare the whole content"
    SHRUNK = "shorter than what is captured: a new generation"


def judge(captured: int, last: Seen | None, seen: Seen) -> Verdict:
    """`captured` bytes are stored; `last` is the stat at which all of them were read, None if unknown."""
    if seen.size < captured:
        return Verdict.SHRUNK
    if last is not None and seen == last:
        return Verdict.SAME
    if seen.size > captured:
        return Verdict.GROWN
    return Verdict.TOUCHED if last is not None and captured else Verdict.SAME


def edge_hash(data: bytes) -> str:
    """Hex SHA-256 of an edge."""
    return hashlib.sha256(data).hexdigest()


def cut(data: bytes, limit: int) -> int:
    """Length of the piece of `data` to ship: up to the last newline within `limit`; 0 = no newline there.

    >>> cut(b"ab\\ncd", 100)
    3
    """
    return data.rfind(b"\n", 0, limit) + 1


def spans(length: int, limit: int) -> list[tuple[int, int]]:
    """[0, length) in consecutive pieces of at most `limit` bytes.

    >>> spans(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(at, min(at + limit, length)) for at in range(0, length, limit)]
