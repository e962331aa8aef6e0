"""Numbers of lines of a transcript, from the segments that hold them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import asyncpg

from archive import queries
from runtime.disk import packed

Offset = tuple[str, int, int]
"""Transcript, generation, byte."""


async def numbers(connection: asyncpg.Connection, offsets: Iterable[Offset]) -> dict[Offset, int]:
    """The number, from 1, of the line that begins at each offset; nothing for transcripts that have no lines."""
    wanted = sorted(set(offsets))
    if not wanted:
        return {}
    rows = await connection.fetch(queries.read("find_lines"), *map(list, zip(*wanted, strict=True)))
    return await asyncio.to_thread(_counted, rows)


def _counted(rows: Iterable[asyncpg.Record]) -> dict[Offset, int]:
    found = {}
    for row in rows:
        try:
            content = packed.content(row["data"], row["end_offset"] - row["start_offset"])
        except packed.Damaged:
            continue
        line = row["before"] + content.count(b"\n", 0, row["byte_offset"] - row["start_offset"]) + 1
        found[row["transcript_id"], row["generation"], row["byte_offset"]] = line
    return found
