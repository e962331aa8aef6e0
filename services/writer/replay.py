"""Rebuilds the database from the log in a schema of its own, compares, swaps it in.

    python -m mnemostream.services.writer.replay

    log ──all of it──▶ schema `replay` ──compare──▶ lock ──what came meanwhile──▶ swap ──▶ drop the old tables

The log is the truth: what the live tables hold otherwise is a damage, which the swap repairs. The writer may
run on: the last messages are read while its tables are locked, and it goes on with the new ones.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import asyncpg
import msgspec
from pgvector.asyncpg import register_vector

from mnemostream.contracts import codec, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.requests import ReplayedTable, ReplayProgress
from mnemostream.contracts.transcripts import RecordsEmbedded
from mnemostream.runtime import bus, streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Permanent
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.streams import Selection
from mnemostream.services.writer import migrate, queries
from mnemostream.services.writer.database import REFUSALS, store, store_vectors
from mnemostream.services.writer.indexing import Indexer

log = Log("mnemo.replay")

SCHEMA = "replay"
TABLES = ("transcripts", "segments", "records", "models", "chunks", "chunk_owners", "reparsed", "forgotten")
DERIVED = ("words", "literals", "unindexed", "word_counts", "word_totals", "sessions", "session_projects")
"""Made from records; not compared."""
VIEWS = (
    *("exchange_copies", "exchanges", "conversations", "coverage", "line_counts", "secret_counts", "entries"),
    *("sessions_facts", "session_projects_facts"),
)
BATCH = 100
SWAP_ATTEMPTS = 5
KEPT_SECONDS = 600.0
"""A batch of rows may take so long between two messages."""


class Settings(migrate.Settings, frozen=True, kw_only=True):
    """Environment: the addresses of the owner of the database and of the operator of the bus."""


def say(progress: ReplayProgress) -> None:
    """One line of JSON for `mnemo replay`."""
    sys.stdout.write(codec.encode(progress).decode() + "\n")
    sys.stdout.flush()


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Rebuilds and swaps. Raises Transient when the log or the database fails meanwhile; nothing is changed then."""
    async with (
        bus.connect(settings.nats_url, name="replay") as connection,
        _fresh(settings.postgres_dsn) as database,
    ):
        replay = Replay(connection, database)
        for stream in (topology.TRANSCRIPTS.name, topology.EMBEDDINGS.name):
            await replay.read(stream, say)
        await replay.index(say)
        for attempt in range(SWAP_ATTEMPTS):
            reached = dict(replay.reached)
            try:
                tables = await replay.swap()
                break
            except asyncpg.DeadlockDetectedError:  # readers hold tables in another order; nothing was changed
                if attempt == SWAP_ATTEMPTS - 1:
                    raise
                replay.reached = reached
        say(ReplayProgress(replay.done, replay.done, replay.skipped, tables, True))


class Replay:
    """Where each stream was read up to."""

    def __init__(self, connection: Bus, database: asyncpg.Connection) -> None:
        self.bus = connection
        self.database = database
        self.reached: dict[str, int] = {}
        self.done = 0
        self.skipped = 0

    async def read(self, stream: str, tell: Callable[[ReplayProgress], None]) -> None:
        """Stores what the stream holds beyond what was read."""
        batch: list[Event] = []
        first = self.reached.get(stream, 0) + 1
        async with aclosing(streams.read(self.bus, stream, Selection(first=first), kept=KEPT_SECONDS)) as messages:
            async for message, left in messages:
                self.reached[stream] = message.metadata.sequence.stream
                self.done += 1
                try:
                    batch.append(codec.decode_from(message.subject, message.data))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    self.skipped += 1
                if len(batch) >= BATCH:
                    await self._store(batch)
                    batch = []
                    tell(ReplayProgress(self.done, self.done + left))
        if batch:
            await self._store(batch)
        tell(ReplayProgress(self.done, self.done))

    async def index(self, tell: Callable[[ReplayProgress], None]) -> None:
        """Makes the lexical index of what was read, so that search misses nothing after the swap."""
        indexer = Indexer()
        while await indexer.step(self.database, yields=False):
            tell(ReplayProgress(self.done, self.done))

    async def swap(self) -> list[ReplayedTable]:
        """Reads what came meanwhile, compares, and puts the new tables in the place of the old ones."""
        async with self.database.transaction():
            # No row is added from here on; what the writer has committed is in the log and read now.
            await self.database.execute(queries.read("gate"))
            for stream in (topology.TRANSCRIPTS.name, topology.EMBEDDINGS.name):
                await self.read(stream, lambda _: None)
            tables = [await _compared(self.database, name) for name in TABLES]
            await self.database.execute(queries.read("replay_lock"))
            await _swap(self.database)
        return tables

    async def _store(self, batch: list[Event]) -> None:
        """One batch; a message that the database refuses is left out, as the writer does."""
        try:
            async with self.database.transaction():
                vectors = [event for event in batch if isinstance(event, RecordsEmbedded)]
                others = [event for event in batch if not isinstance(event, RecordsEmbedded)]
                if others:
                    await store(self.database, others)
                if vectors:
                    await store_vectors(self.database, vectors)
        except (*REFUSALS, Permanent) as error:
            if len(batch) == 1:
                self.skipped += 1
                log.warning("database rejected a message; skipped", error=str(error))
                return
            for event in batch:
                await self._store([event])


@asynccontextmanager
async def _fresh(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose unqualified tables are new and empty. They are dropped again if the swap fails."""
    connection = await migrate.connected(dsn)
    try:
        await connection.execute(queries.read("replay_alone"))  # given back with the connection
        await connection.execute(f"drop schema if exists {SCHEMA} cascade")
        await connection.execute(f"create schema {SCHEMA}")
        await connection.execute(f"set search_path to {SCHEMA}, public")
        await register_vector(connection, schema="public")
        for _, text in migrate.schema_files():
            await connection.execute(text)
        yield connection
    except asyncpg.PostgresError as error:
        raise Permanent(f"PostgreSQL: {error}") from error
    finally:
        if not connection.is_closed():
            await connection.execute(f"drop schema if exists {SCHEMA} cascade")
            await connection.close(timeout=10)


async def _compared(connection: asyncpg.Connection, name: str) -> ReplayedTable:
    """Live against replayed: number of rows and the sum of the hashes of all rows."""
    skipped = " - 'first_seen'" if name == "models" else ""  # the moment of the first insert, not of the event
    query = queries.read("replay_hash").replace("{skipped}", skipped)
    live = await connection.fetchrow(query.replace("{table}", f"public.{name}"))
    replayed = await connection.fetchrow(query.replace("{table}", f"{SCHEMA}.{name}"))
    return ReplayedTable(name, live["rows"], replayed["rows"], tuple(live) == tuple(replayed))


async def _swap(connection: asyncpg.Connection) -> None:
    """The new tables take the place of the old ones, which are dropped; roles keep their grants."""
    for view in reversed(VIEWS):
        await connection.execute(f"drop view public.{view}")
    for table in reversed((*TABLES, *DERIVED)):
        await connection.execute(f"drop table public.{table}")
    for table in (*TABLES, *DERIVED):
        await connection.execute(f"alter table {SCHEMA}.{table} set schema public")
    for view in VIEWS:
        await connection.execute(f"alter view {SCHEMA}.{view} set schema public")
    await connection.execute(queries.read("grants"))


if __name__ == "__main__":
    lifecycle.run(main, Settings, None)
