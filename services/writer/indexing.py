"""Makes the lexical index: what is marked in `unindexed` becomes rows of `words` and `literals`.

    store ──marks──▶ unindexed ──what is written now, then the newest──▶ words, literals
                         ▲                                                    │
                         └──── a mark goes only as it was seen ◀──────────────┘

It runs beside the writing and yields to it: a row is stored first and searched in `unindexed` until its turn. Killed on
any line, it costs a repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import msgspec

from mnemostream.runtime.lexical import terms, texts
from mnemostream.runtime.lexical.texts import Around, Spoken, Texts
from mnemostream.runtime.logs import Log
from mnemostream.services.writer import queries

log = Log("mnemo.indexing")

BATCH = 40
"""Exchanges of one transaction."""
LONGEST_SHARE = 0.05
"""Of the time that an exchange which still grows may be indexed again and again: the rest is searched unindexed."""
QUIET_SECONDS = 0.3
"""For so long nothing was stored: old exchanges have their turn. While an import runs, one batch a second."""
STALE_SHARE, STALE_ROWS = 0.2, 200
"""By how much the table may have grown since words were counted."""
MOST_FAILURES = 3
"""In a row, until people are told."""
LOOK_SECONDS = 5.0
"""Between two counts of what waits."""
SMALLEST_CHARS = 1000
"""A text that is refused even so is left out."""


class Indexer:
    """Indexes marked exchanges on one connection at a time. `stored` tells it that there is something to do."""

    def __init__(self) -> None:
        self._failed = 0
        """Failures since the last success."""
        self._looked_at = float("-inf")
        self._news = asyncio.Event()
        self._rests: dict[str, float] = {}
        self._stored_at = 0.0
        self._backlog_at = 0.0
        self._counted: int | None = None
        """Rows of `words` when they were counted; None = not known."""
        self._grown = 0

    def stored(self, *, forgotten: bool = False) -> None:
        """Something was committed; with `forgotten`, the counts went."""
        if forgotten:
            self._counted = None
        self._stored_at = asyncio.get_running_loop().time()
        self._news.set()

    async def run(self, pool: asyncpg.Pool[Any], tell: Callable[..., None]) -> None:
        """Until it is cancelled. A failure of the database is tried again: the marks are still there. `tell` is called
        with what changes in the writer's vitals."""
        while True:
            try:
                async with pool.acquire() as connection:
                    done = await self.step(connection)
                    await self._look(connection, tell)
                    if done:
                        continue
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                self._failed += 1
                log.warning("indexing failed; it is tried again", error=type(error).__name__)
                if self._failed >= MOST_FAILURES:
                    why = f"{type(error).__name__}: {str(error)[:200]}"
                    tell(indexing_failed=why)
                await asyncio.sleep(1)
            self._news.clear()
            await _within(self._news.wait(), 0.5)

    async def _look(self, connection: asyncpg.Connection, tell: Callable[..., None]) -> None:
        """Counts what waits, now and then, after a step that did not fail."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_SECONDS or self._failed:
            waiting = await connection.fetchval("select count(*) from unindexed")
            tell(unindexed=waiting, indexing_failed=None)
            self._looked_at, self._failed = now, 0

    async def step(self, connection: asyncpg.Connection, *, yields: bool = True) -> int:
        """One batch; how many exchanges it had. Raises asyncpg errors."""
        now = asyncio.get_running_loop().time()
        self._rests = {name: until for name, until in self._rests.items() if until > now}
        live_only = yields and now - self._stored_at < QUIET_SECONDS and now - self._backlog_at < 1
        if not live_only:
            self._backlog_at = now
        rows = await connection.fetch(queries.read("words_next"), BATCH, list(self._rests), live_only)
        names = list(dict.fromkeys(row["exchange_id"] for row in rows))
        if names:
            await index(connection, names)
            took = asyncio.get_running_loop().time() - now
            if len(names) == 1 and took > 0.05:
                self._rests[names[0]] = now + took / LONGEST_SHARE
            self._grown += len(names)
        await self._count(connection, quiet=not names)
        return len(names)

    async def _count(self, connection: asyncpg.Connection, *, quiet: bool) -> None:
        """Counts words again where the count has become too old."""
        if self._counted is None:
            rows = await connection.fetchval("select coalesce(sum(rows), 0)::bigint from word_totals")
            self._counted, self._grown = rows, await connection.fetchval("select count(*) from words") - rows
        if self._grown > STALE_SHARE * self._counted + (0 if quiet else STALE_ROWS):
            await count(connection)
            self._counted, self._grown = None, 0


async def index(connection: asyncpg.Connection, names: Sequence[str]) -> None:
    """Indexes these exchanges in one transaction; one that the database refuses is shortened. Raises asyncpg errors."""
    try:
        async with connection.transaction():
            await _index(connection, names, terms.MOST_CHARS)
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError):
        for name in names:
            await _alone(connection, name)


async def _alone(connection: asyncpg.Connection, name: str) -> None:
    """One exchange, with less and less of its text until PostgreSQL takes it."""
    most = terms.MOST_CHARS
    while True:
        try:
            async with connection.transaction():
                await _index(connection, [name], most)
                return
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
            log.warning("text too long for the index; shortened", exchange=name[:100], error=str(error.args[0])[:200])
            if most == 0:
                raise
            most = most // 2 if most > SMALLEST_CHARS else 0


async def _index(connection: asyncpg.Connection, names: Sequence[str], most: int) -> None:
    hidden = {row[0]: row[1] for row in await connection.fetch(queries.read("words_hidden"), names)}
    names = sorted({*names, *hidden})
    marks = await connection.fetch(queries.read("words_marks"), names)
    around = {row["exchange_id"]: _around(row) for row in await connection.fetch(queries.read("words_around"), names)}
    records: dict[str, list[Spoken]] = {}
    for row in await connection.fetch(queries.read("words_records"), names):
        exchange, *facts = (row[name] for name in ("exchange_id", *Spoken.__struct_fields__))
        records.setdefault(exchange, []).append(Spoken(*facts))
    shown = [name for name in records if name in around and hidden.get(name, True)]
    found = await asyncio.to_thread(_texts, shown, records, around, most)
    await connection.execute(queries.read("words_clear"), names)
    columns = list(zip(*(msgspec.structs.astuple(row) for row in found), strict=True))
    if columns:
        await connection.execute(queries.read("words_add"), *columns)
    for mark in marks:
        await _literals(connection, mark)
    done = [[mark[name] for mark in marks] for name in ("exchange_id", "transcript_id", "generation", "marked_at")]
    await connection.execute(queries.read("words_done"), *done)


def _around(row: asyncpg.Record) -> Around:
    titles = msgspec.json.decode(row["titles"], type=list[tuple[str, str]]) if row["titles"] else []
    return Around(row["source"], row["session_id"], row["transcript_id"], row["before"], titles)


def _texts(names: Sequence[str], records: dict[str, list[Spoken]], around: dict[str, Around], most: int) -> list[Texts]:
    found = [row for name in names for row in texts.texts(name, records[name], around[name])]
    for row in found:
        row.a, row.b, row.d = (text[:most] for text in (row.a, row.b, row.d))
    return found


async def _literals(connection: asyncpg.Connection, mark: asyncpg.Record) -> None:
    place = mark["exchange_id"], mark["transcript_id"], mark["generation"], mark["from_offset"]
    await connection.execute(queries.read("literals_clear"), *place)
    new = [Spoken(*row.values()) for row in await connection.fetch(queries.read("words_new"), *place)]
    rows = await asyncio.to_thread(texts.literals, mark["exchange_id"], new)
    if rows:
        await connection.copy_records_to_table("literals", records=rows)


async def count(connection: asyncpg.Connection) -> None:
    """Counts in how many rows each word stands. Raises asyncpg errors."""
    await connection.execute(queries.read("words_count"), timeout=600)


async def _within(wait: Any, seconds: float) -> None:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return
