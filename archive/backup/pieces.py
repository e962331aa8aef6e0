"""Where a stream is cut so that equal content gives equal pieces wherever it stands (content-defined chunking).

A rolling hash over the last 64 bytes, polynomial modulo 2^64 (M. O. Rabin's fingerprints, with a ring instead of a
field): a cut is where its upper bits are 0. Pure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import numpy as np
from numpy.typing import NDArray

WINDOW = 64
BITS = 18
"""A cut after 256 KiB on average, behind the least size."""
LEAST, MOST = 128 << 10, 2 << 20
"""Bytes of a piece."""
SPAN = 64 << 10
"""Bytes that are hashed at once."""
FACTOR = 0x9E3779B97F4A7C15  # odd, so that it can be inverted: 2^64 divided by the golden ratio (Knuth, 6.4)


def _powers(base: int) -> NDArray[np.uint64]:
    return np.cumprod(np.full(SPAN + WINDOW, base, np.uint64), dtype=np.uint64)


UP, DOWN = _powers(FACTOR), _powers(pow(FACTOR, -1, 1 << 64))


def cuts(content: bytes) -> list[int]:
    """Ends of pieces by content alone; the first `WINDOW` bytes are before any."""
    found: list[int] = []
    for start in range(0, len(content), SPAN):
        begin = max(0, start - WINDOW)
        values = np.frombuffer(content[begin : start + SPAN], np.uint8).astype(np.uint64) + np.uint64(1)
        with np.errstate(over="ignore"):
            sums = np.cumsum(values * DOWN[: len(values)])
            sums[WINDOW:] -= sums[:-WINDOW].copy()
            hashes = sums * UP[: len(values)]
        ends = np.nonzero(hashes >> np.uint64(64 - BITS) == 0)[0] + begin + 1
        found += [int(end) for end in ends if end > max(start, WINDOW)]
    return found


async def cut(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The pieces of a stream; together they are the stream."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 2 * MOST:
            end = _first(bytes(buffer[:MOST]))
            yield bytes(buffer[:end])
            del buffer[:end]
    while buffer:
        end = _first(bytes(buffer[:MOST]))
        yield bytes(buffer[:end])
        del buffer[:end]


def _first(content: bytes) -> int:
    """Where the first piece ends."""
    return next((end for end in cuts(content) if end >= LEAST), len(content))
