"""Where a stream is cut so that equal content gives equal pieces wherever it stands (content-defined chunking).

In two steps, both of C's speed: some bytes are candidates, and a candidate is a cut where the lower bits of a checksum
of the 64 bytes up to it are 0. Pure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

WINDOW = 64
CANDIDATE = re.compile(rb"[7gY\xa3]")
"""One byte in 64 of compressed content, in 16 of hexadecimal, in about 50 of text; one value would be rare in some."""
MASK = (1 << 12) - 1
"""A cut after 256 KiB of compressed content on average, behind the least size."""
LEAST, MOST = 128 << 10, 2 << 20
"""Bytes of a piece."""


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
    for candidate in CANDIDATE.finditer(content, LEAST - 1):
        end = candidate.end()
        if not zlib.crc32(content[end - WINDOW : end]) & MASK:
            return end
    return len(content)
