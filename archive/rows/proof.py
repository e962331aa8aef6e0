"""Databases against the archive, row for row; and the database that the archive gives back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from mnemostream.archive.copies import Archive, Transcript
from mnemostream.archive.proof.compare import Gap
from mnemostream.archive.rows.replayed import Difference, Replayed
from mnemostream.contracts import codec, sources
from mnemostream.runtime.rows.names import name_of
from mnemostream.runtime.rows.opening import Busy, is_database, reading
from mnemostream.runtime.rows.sessions import rows_of, sessions_of
from mnemostream.runtime.rows.tables import plan, tables_of
from mnemostream.runtime.rows.values import encoded

PATIENCE_SECONDS = 4.0
"""A row that was written a moment ago may be on its way: it gets a second look."""


class Compared(msgspec.Struct, frozen=True):
    """One database and what the archive has of it."""

    database: str
    rows: int
    differences: list[Difference] = []
    problem: str = ""
    """Why it could not be read; "" = it was."""

    def gaps(self) -> list[Gap]:
        """What is not the same."""
        if self.problem:
            return [Gap(self.database, "file", 0, 0, f"cannot be read: {self.problem}")]
        words = "rows of {}: {} not in the archive as they are, {} in the archive only"
        return [
            Gap(self.database, "rows", 0, one.missing + one.kept, words.format(one.table, one.missing, one.kept))
            for one in self.differences
        ]


def by_database(rows: Iterable[Transcript]) -> dict[str, list[Transcript]]:
    """Row logs by the database that they are of, also of one that is gone."""
    found: dict[str, list[Transcript]] = {}
    for row in rows:
        source = sources.BY_NAME.get(row.source)
        if source and source.dialect in KEPT_IN_ROWS and not Path(row.root).is_dir() and "." in Path(row.root).name:
            found.setdefault(row.root, []).append(row)
    return found


KEPT_IN_ROWS = frozenset(sources.DATABASES) | {"cursor"}


async def replayed(archive: Archive, rows: Iterable[Transcript], at: float | None = None) -> Replayed:
    """The last state of each row, by the newest generation of each row log in the database of the archive; with `at`
    (Unix time, seconds) the last one that was captured by then."""
    found = Replayed()
    for row in rows:
        pieces: dict[int, list[bytes]] = {}
        async with aclosing(archive.segments(row.transcript_id)) as segments:
            async for segment in segments:
                if at is not None and segment.captured_at > at:
                    continue
                pieces.setdefault(segment.generation, []).append(segment.bytes())
        if pieces:
            found.take(b"".join(pieces[max(pieces)]))
    return found


async def compare_all(archive: Archive, folders: Sequence[str] | None) -> list[Compared]:
    """The databases that the archive knows and that are there; only those below some folders, unless None."""
    tombstones = dict.fromkeys(await archive.forgotten(), "")
    below = None if folders is None else [os.path.realpath(folder) for folder in folders]
    return [
        await compare(archive, database, rows, tombstones)
        for database, rows in sorted(by_database(await archive.transcripts()).items())
        if there(database) and (below is None or any(Path(database).is_relative_to(folder) for folder in below))
    ]


async def compare(archive: Archive, database: str, rows: list[Transcript], forgotten: Mapping[str, str]) -> Compared:
    """Row for row, in one snapshot of the database. `forgotten` are tombstones, by transcript."""
    found = await _look(archive, database, rows, forgotten)
    if found.differences or found.problem:
        await asyncio.sleep(PATIENCE_SECONDS)
        found = await _look(archive, database, rows, forgotten)
    return found


async def _look(archive: Archive, database: str, rows: list[Transcript], forgotten: Mapping[str, str]) -> Compared:
    ours = await replayed(archive, rows)
    return await asyncio.to_thread(_against, database, rows[0], ours, forgotten)


def _against(database: str, row: Transcript, ours: Replayed, forgotten: Mapping[str, str]) -> Compared:
    count = sum(map(len, ours.rows.values()))
    with tempfile.TemporaryDirectory(prefix="mnemo-rows-") as scratch:
        try:
            with reading(database, Path(scratch)) as connection:
                away = _forgotten(connection, row, forgotten) if forgotten else {}
                return Compared(database, count, ours.differences(connection, away))
        except Busy as error:
            return Compared(database, count, problem=str(error))


def _forgotten(
    connection: sqlite3.Connection, row: Transcript, forgotten: Mapping[str, str]
) -> dict[str, Counter[bytes]]:
    """Rows of sessions that a person wanted gone: they are missing rightly."""
    kind = sources.of_tables(tables_of(connection), sources.BY_NAME[row.source].dialect)
    if kind not in sources.DATABASES:
        return {}
    layout = plan(connection, sources.DATABASES[kind])
    found: dict[str, Counter[bytes]] = {}
    for session in sessions_of(connection, layout):
        if codec.transcript_id(row.source, row.host, row.root, name_of(session)) in forgotten:
            for table, values in rows_of(connection, layout, session):
                found.setdefault(table.name, Counter())[encoded(values)] += 1
    return found


def there(database: str) -> bool:
    """True if the owner's file is there."""
    return is_database(database)
