"""The text of a record: plain, or compressed where it is a long result of a tool. Pure."""

from __future__ import annotations

import zstandard

from mnemostream.contracts.transcripts import Record
from mnemostream.runtime.disk import packed
from mnemostream.runtime.errors import Permanent

MOST_BYTES = 4 << 20
"""Bytes of one text; a part of a record has at most 128 Ki characters."""


def pack(text: str) -> bytes:
    """The text, zstd-compressed."""
    return zstandard.compress(text.encode("utf-8", "replace"), 3)


def text_of(record: Record) -> str:
    """The whole text. Raises Permanent for bytes that are none."""
    if not record.packed:
        return record.text
    try:
        data = packed.content(record.packed, MOST_BYTES)
    except packed.Damaged as error:
        raise Permanent(f"record {record.id[:100]}: its text cannot be decompressed: {error}") from error
    return data.decode("utf-8", "replace")
