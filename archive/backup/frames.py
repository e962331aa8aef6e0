"""The stream of a snapshot: S2 frames around the server's own archive. Decoded to be stored piece by piece, and framed
again to be restored. Pure.

S2 is the framing format of Snappy (https://github.com/google/snappy/blob/main/framing_format.txt) with blocks of up to
4 MiB and a copy of offset 0 that repeats the last offset (https://pkg.go.dev/github.com/klauspost/compress/s2#pkg-overview).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import google_crc32c

STREAM = b"\xff\x06\x00\x00S2sTwO"
PLAIN, COMPRESSED = 1, 0
SKIPPABLE = 0x80
FRAME = 1 << 20
"""Bytes in a frame that we make."""
MASK = 0xA282EAD8


class BadFrame(ValueError):
    """The stream is not what a server sends."""


async def decoded(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The content of a stream that comes in chunks of any size. Raises BadFrame."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        at = 0
        while len(buffer) >= at + 4 and len(buffer) >= (
            end := at + 4 + int.from_bytes(buffer[at + 1 : at + 4], "little")
        ):
            if (content := _content(buffer[at], bytes(buffer[at + 4 : end]))) is not None:
                yield content
            at = end
        del buffer[:at]
    if buffer:
        raise BadFrame("it ends within a frame")


def _content(kind: int, frame: bytes) -> bytes | None:
    """Of one frame; None if it has none."""
    if kind >= SKIPPABLE:  # the stream's name, padding, an index
        return None
    if kind not in (PLAIN, COMPRESSED) or len(frame) < 4:
        raise BadFrame(f"a frame of kind {kind}")
    content = frame[4:] if kind == PLAIN else block(frame[4:])
    if frame[:4] != _checksum(content):
        raise BadFrame("a checksum differs")
    return content


def framed(content: bytes) -> bytes:
    """Frames that hold the content as it is; `STREAM` stands before the first."""
    frames = bytearray()
    for start in range(0, len(content), FRAME):
        part = content[start : start + FRAME]
        frames += bytes([PLAIN]) + (len(part) + 4).to_bytes(3, "little") + _checksum(part) + part
    return bytes(frames)


def _checksum(content: bytes) -> bytes:
    """CRC-32C, masked, as the framing format wants it."""
    crc: int = google_crc32c.value(content)
    return (((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF).to_bytes(4, "little")


def block(source: bytes) -> bytes:
    """A compressed block. Raises BadFrame.

    >>> block(bytes([6, 0b00001000]) + b"abc" + bytes([0b00001001, 3]))[:6]
    Traceback (most recent call last):
    mnemostream.archive.backup.frames.BadFrame: a block of 9 bytes that should have 6
    >>> block(bytes([9, 0b00001000]) + b"abc" + bytes([0b00001001, 3]))
    b'abcabcabc'
    """
    try:
        size, at = _length(source)
        out, last = bytearray(), 0
        while at < len(source):
            if source[at] & 3 == 0:
                at, end = _literal(source, at)
                out += source[at:end]
                at = end
                continue
            count, offset, at = _copy(source, at, last)
            last = offset
            begin = len(out) - offset
            if begin < 0 or not offset:
                raise BadFrame("a copy of what is not there")
            out += out[begin : begin + count] if offset >= count else (out[begin:] * (count // offset + 1))[:count]
    except IndexError as error:
        raise BadFrame("a block that is cut off") from error
    if len(out) != size:
        raise BadFrame(f"a block of {len(out)} bytes that should have {size}")
    return bytes(out)


def _length(source: bytes) -> tuple[int, int]:
    """The varint before a block, and where the block begins."""
    size = shift = at = 0
    while True:
        size |= (source[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if source[at - 1] < 128:
            return size, at


def _literal(source: bytes, at: int) -> tuple[int, int]:
    """Where its bytes begin and end."""
    count, at = source[at] >> 2, at + 1
    if count >= 60:
        width = count - 59
        count, at = int.from_bytes(source[at : at + width], "little"), at + width
    if at + count + 1 > len(source):
        raise BadFrame("a literal that is cut off")
    return at, at + count + 1


def _copy(source: bytes, at: int, last: int) -> tuple[int, int, int]:
    """Its length and offset, and where the next tag is. Offset 0 in the short form repeats the last one."""
    tag = source[at]
    if tag & 3 == 2:
        return (tag >> 2) + 1, source[at + 1] | source[at + 2] << 8, at + 3
    if tag & 3 == 3:
        return (tag >> 2) + 1, int.from_bytes(source[at + 1 : at + 5], "little"), at + 5
    count, offset, at = tag >> 2 & 7, (tag & 0xE0) << 3 | source[at + 1], at + 2
    if offset:
        return count + 4, offset, at
    width = max(0, count - 4)  # 5, 6, 7: the length is in so many bytes more
    if width:
        count = int.from_bytes(source[at : at + width], "little") + (4, 1 << 8, 1 << 16)[width - 1]
    return count + 4, last, at + width
