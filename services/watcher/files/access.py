"""Bytes of an open file."""

from __future__ import annotations

import io
from collections.abc import Iterator


def pieces(file: io.FileIO, start: int, length: int) -> Iterator[bytes]:
    """Bytes [start, start + length) in pieces; fewer only at the end of the file."""
    file.seek(start)
    while length > 0 and (data := file.read(min(1 << 20, length))):
        yield data
        length -= len(data)


def read_at(file: io.FileIO, offset: int, length: int) -> bytes:
    return b"".join(pieces(file, offset, length))
