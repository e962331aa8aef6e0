"""What stands around a hit: the number of its line, and the entries before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from mnemostream.archive import queries
from mnemostream.archive.find.sides import Place
from mnemostream.contracts.http.search import Entry
from mnemostream.runtime.disk import packed
from mnemostream.runtime.secrets.mask import without_halves

Offset = tuple[str, int, int]
"""Transcript, generation, byte."""
CHARS = 2000
"""Most characters of each text."""


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


async def entries(
    connection: asyncpg.Connection, records: Mapping[Place, asyncpg.Record], count: int
) -> dict[Place, list[Entry]]:
    """The records and `count` entries before and after each."""
    if not count or not records:
        return {}
    places = list(records)
    keys = zip(
        *((one.transcript_id, one.generation, one.record_id, one.block, one.part) for one in places), strict=True
    )
    found: dict[Place, list[Entry]] = {place: [] for place in places}
    for row in await connection.fetch(queries.read("find_context"), *map(list, keys), count, CHARS):
        found[places[row["n"] - 1]].append(_entry({name: value for name, value in row.items() if name != "n"}))
    return found


def _entry(row: dict[str, Any]) -> Entry:
    cut = {name: without_halves(row[name], end=len(row[name]) >= CHARS) for name in ("text", "tool_input")}
    return Entry(**{**row, **cut})
