"""Transcripts that their assistant has compressed (`.zst`): their content, in pieces of bounded size. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import zstandard

from mnemostream.contracts.sources import PACKED

PIECE = 1 << 20
MOST_UNPACKED = 4 << 30
"""Bytes of content that are read of one file: a small file may hold any amount of zeros."""


MARK = b"the end of all frames"
LAST_FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(MARK)
"""Read after the file: an unfinished frame swallows it, and MARK does not come out at the end. The reader itself says
nothing of an end within a frame."""


class Damaged(ValueError):
    """The bytes are no complete zstd frames, or hold too much."""


def content(data: bytes, most: int) -> bytes:
    """The content of one frame of at most `most` bytes. Raises Damaged. The library's own bound does not hold for a
    frame that says its size."""
    try:
        if zstandard.frame_content_size(data) > most:
            raise Damaged("too large")
        return zstandard.decompress(data, max_output_size=most)
    except zstandard.ZstdError as error:
        raise Damaged(str(error)) from error


class _Pieces:
    """Pieces as something to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _ended(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces with LAST_FRAME, in one with the last: the reader takes a frame that begins a piece for a new one."""
    last = b""
    for piece in pieces:
        if last:
            yield last
        last = piece
    yield last + LAST_FRAME


def is_packed(path: str) -> bool:
    """True for the path of a compressed transcript."""
    return path.endswith(PACKED)


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of compressed bytes, all frames, piece by piece. Raises Damaged after what could be read."""
    source = _Pieces(_ended(pieces))
    reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)  # type: ignore[arg-type]
    size, rest, fault = 0, b"", ""
    try:
        while data := reader.read(PIECE):
            size += len(data)
            rest += data
            yield rest[: -len(LAST_FRAME)]
            rest = rest[-len(LAST_FRAME) :]
            if size > MOST_UNPACKED:
                raise Damaged("too large")
    except zstandard.ZstdError as error:
        fault = str(error)
    if not fault and rest.endswith(MARK):
        yield rest[: -len(MARK)]
        return
    swallowed = next(n for n in range(len(LAST_FRAME), -1, -1) if rest.endswith(LAST_FRAME[:n]))
    yield rest[: len(rest) - swallowed]
    raise Damaged(fault or "it ends within a frame")


def head(path: str, data: bytes, most: int) -> bytes:
    """The first bytes of a transcript's content, from the first bytes of its file."""
    if not is_packed(path):
        return data
    content = b""
    try:
        for piece in unpacked([data]):
            content += piece
            if len(content) >= most:
                break
    except Damaged:
        pass
    return content[:most]
