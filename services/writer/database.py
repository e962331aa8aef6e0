"""The one adapter to PostgreSQL: batches in, one transaction each. Foreign errors become ours here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
from pgvector.asyncpg import register_vector

from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import RecordsEmbedded, TranscriptForgotten
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Misconfigured, Permanent, TooSlow, Transient
from mnemostream.runtime.logs import without_password
from mnemostream.services.writer import queries, rows
from mnemostream.services.writer import vectors as vectors_
from mnemostream.services.writer.indexing import Indexer

COMMAND_TIMEOUT = 30.0
"""Longest wait for one statement, seconds: a frozen server is noticed by it. A batch that needs longer is split."""
CONNECT_TIMEOUT = 5.0
SESSION = {"application_name": "mnemo-writer", "statement_timeout": str(int(COMMAND_TIMEOUT * 1000))}

REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
"""Errors of rows that PostgreSQL will never take."""

RECORD_COLUMNS = (
    "transcript_id",
    "generation",
    "record_id",
    "block",
    "part",
    "byte_offset",
    "kind",
    "role",
    "exchange_id",
    "occurred_at",
    "cwd",
    "body",
    "text_sha",
    "tool",
    "tool_input",
    "revision",
    "parser",
    "copy_key",
)
CHUNK_COLUMNS = ("model", "text_sha", "chunk", "begin_char", "stop_char", "revision", "embedding")


class Database:
    """Writes batches. Use `connect`."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool
        self._indexer = Indexer()

    async def index(self, tell: Callable[..., None]) -> None:
        """Makes the lexical index of what is stored, until it is cancelled; `tell` is called with what
        changes in the vitals."""
        await self._indexer.run(self._pool, tell)

    async def is_empty(self) -> bool:
        """True if it has no rows at all. Raises Transient."""
        async with self._transaction() as connection:
            return bool(await connection.fetchval(queries.read("is_empty")))

    async def store_transcripts(self, events: Sequence[Event]) -> None:
        """Archives segments and records, applies tombstones; returns after the commit. Repeating it changes nothing.

        Raises Transient or Permanent.
        """
        async with self._transaction() as connection:
            await store(connection, events)
        self._indexer.stored(forgotten=any(isinstance(event, TranscriptForgotten) for event in events))

    async def store_vectors(self, events: Sequence[RecordsEmbedded]) -> None:
        """Stores vectors; returns after the commit. Raises Transient or Permanent."""
        async with self._transaction() as connection:
            await store_vectors(connection, events)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Raises TooSlow for a statement that took too long; Transient where no connection can be had."""
        with _translated(late=Transient):
            connection = await self._pool.acquire(timeout=CONNECT_TIMEOUT)
        with _translated(late=TooSlow):
            try:
                async with connection.transaction():
                    yield connection
            finally:
                await self._pool.release(connection, timeout=CONNECT_TIMEOUT)


async def store(connection: asyncpg.Connection, events: Sequence[Event]) -> None:
    """One batch of TRANSCRIPTS, in the caller's transaction."""
    columns = rows.of_events(events)
    # What is removed or replaced must not be added by another transaction at the same moment.
    await connection.execute(queries.read("gate" if columns.forgotten or columns.reparsed else "gate_shared"))
    gone = [row[0] for row in columns.forgotten]
    if gone:
        await connection.execute(queries.read("forgotten"), *_turned(columns.forgotten))
        await connection.execute(queries.read("words_orphans"), gone)
        for table in ("chunks", "records", "reparsed", "segments", "transcripts"):  # each with what belongs to it
            await connection.execute(queries.read(f"forget_{table}"), gone)
        await connection.execute(queries.read("forget_orphans"))
    names = list({event.transcript for event in events if hasattr(event, "transcript")})
    dead = {row["transcript_id"] for row in await connection.fetch(queries.read("forgotten_among"), names)}
    if dead:
        columns = rows.of_events(event for event in events if getattr(event, "transcript", "") not in dead)
    if columns.transcripts:
        await connection.execute(queries.read("transcripts"), *_turned(columns.transcripts))
    if columns.reparsed:
        await connection.execute(queries.read("reparsed"), *_turned(columns.reparsed))
    if columns.segments:
        await connection.execute(queries.read("segments"), *_turned(columns.segments))
    if columns.records:
        await connection.execute(queries.read("records_stage"))
        await connection.copy_records_to_table("records_stage", records=columns.records, columns=RECORD_COLUMNS)
        await connection.execute(queries.read("records_superseded"))
        if columns.reparsed:
            await connection.execute(queries.read("words_moved"))
        await connection.execute(queries.read("words_mark"), rows.live(events))
        await connection.execute(queries.read("records_merge"))
    if columns.reparsed:
        await connection.execute(queries.read("reparsed_sweep"), names)


async def store_vectors(connection: asyncpg.Connection, events: Sequence[RecordsEmbedded]) -> None:
    """One batch of EMBEDDINGS, in the caller's transaction. Raises Permanent for vectors that are none."""
    await _look_at(connection, events)
    await connection.execute(queries.read("gate_shared"))
    names = list({event.transcript for event in events})
    dead = {row["transcript_id"] for row in await connection.fetch(queries.read("forgotten_among"), names)}
    models, chunks, owners = rows.of_vectors(event for event in events if event.transcript not in dead)
    vectors = [(*row[:-1], vectors_.floats(row[-1])) for row in chunks]
    if models:
        await connection.execute(queries.read("models"), *_turned(models))
    if vectors:
        await connection.execute(queries.read("chunks_stage"))
        await connection.copy_records_to_table("chunks_stage", records=vectors, columns=CHUNK_COLUMNS)
        for step in ("chunks_outdated", "chunks_superseded", "chunks_merge"):
            await connection.execute(queries.read(step))
        await connection.execute(queries.read("chunk_owners"), *_turned(owners))


async def _look_at(connection: asyncpg.Connection, events: Sequence[RecordsEmbedded]) -> None:
    """Raises Permanent with what is wrong with the first event that is not to be stored."""
    names = list({event.model_name for event in events})
    announced = {row["name"] for row in await connection.fetch(queries.read("announced"), names)}
    rows_ = await connection.fetch(queries.read("fingerprints"), names)
    known = {row["model"]: (row["name"], row["dimensions"]) for row in rows_}
    now = SystemClock().now() * 1000
    for event in events:
        if fault := vectors_.fault(event, announced, known, now):
            raise Permanent(f"vectors of {event.transcript[:200]}: {fault}")
        known[event.model] = (event.model_name, event.dimensions)


@asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[Database]:
    """An open pool. Waits for a server that is starting; raises Misconfigured when it refuses us."""
    while True:
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=3,
                timeout=CONNECT_TIMEOUT,
                command_timeout=COMMAND_TIMEOUT,
                init=register_vector,
                server_settings={
                    "application_name": "mnemo-writer",
                    "statement_timeout": str(int(COMMAND_TIMEOUT * 1000)),
                },
            )
            break
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise Misconfigured(
                f"database {without_password(dsn)}: {error}; run `python -m mnemostream.services.writer.migrate` first"
            ) from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.5)
    try:
        yield Database(pool)
    finally:
        try:
            await asyncio.wait_for(pool.close(), 5)
        except TimeoutError:
            pool.terminate()


@contextmanager
def _translated(late: type[Transient]) -> Iterator[None]:
    """Foreign errors become ours; `late` is what a time limit becomes."""
    try:
        yield
    except REFUSALS as error:
        raise Permanent(f"PostgreSQL rejects the rows: {_describe(error)}") from error
    except (asyncpg.QueryCanceledError, TimeoutError) as error:
        raise late(f"PostgreSQL: {_describe(error) or 'no answer in time'}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise Transient(f"PostgreSQL: {_describe(error) or type(error).__name__}") from error


def _describe(error: Exception) -> str:
    """Without DETAIL and HINT, which may hold a row: the text goes into heartbeats, alerts and causes."""
    return str(error.args[0]) if isinstance(error, asyncpg.PostgresError) and error.args else str(error)


def _turned(table: Sequence[rows.Row]) -> list[list[Any]]:
    """Rows to columns, for unnest."""
    return [list(column) for column in zip(*table, strict=True)]
