"""Bytes that are gone: what was deleted is overwritten or rewritten in every store, as far as a store lets us.

    NATS        each message is deleted by sequence, which overwrites it (a purge by subject leaves the bytes)
    PostgreSQL  the tables and the planner's statistics are rewritten, and the write-ahead log is turned over

What this cannot reach is named in what it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import asyncpg
import nats.errors
from nats.js.errors import APIError, NotFoundError

from mnemostream.runtime.bus import Bus

REPLAY_LOCK = "hashtext('mnemostream.replay')"
"""Held by `services.writer.replay` from its first row to its swap."""
TABLES = (
    *("records", "segments", "chunks", "chunk_owners", "reparsed", "transcripts"),
    *("words", "literals", "unindexed", "word_counts", "word_totals"),
    *("sessions", "session_projects"),
)
CATALOGS = ("pg_catalog.pg_statistic",)
BEYOND = (
    "existing backups, disk snapshots and replicas",
    "disk blocks that no file uses any more: free ones, and those kept by an SSD or a copy-on-write file system",
    "the assistant's own file",
)
"""What no command of ours reaches."""
OLD_LOOKS = 240
"""Two in a second."""
FOREVER = 7 * 86_400.0
"""A rewrite takes as long as it takes; seconds."""
REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError, asyncpg.FeatureNotSupportedError)


async def messages(bus: Bus, stream: str, sequences: Iterable[int]) -> int:
    """Deletes and overwrites messages; how many there were. Raises nats errors."""
    gone = 0
    for sequence in sequences:
        try:
            gone += bool(await bus.stream.delete_msg(stream, sequence))
        except NotFoundError:
            continue
        except APIError as error:
            if error.err_code != 10057:  # no message found
                raise
    return gone


@asynccontextmanager
async def no_replay(connection: asyncpg.Connection, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """No replay is under way: it has rows of its own, which would come after ours were rewritten. One that was killed
    has left them behind; they are dropped."""
    if not await connection.fetchval(f"select pg_try_advisory_lock({REPLAY_LOCK})"):
        tell("waiting for a running replay to finish")
        await connection.execute(f"select pg_advisory_lock({REPLAY_LOCK})", timeout=FOREVER)
    try:
        await connection.execute("drop schema if exists replay cascade")
        yield
    finally:
        await connection.execute(f"select pg_advisory_unlock({REPLAY_LOCK})")


async def database(connection: asyncpg.Connection, tell: Callable[[str], None]) -> list[str]:
    """Rewrites what deleted rows lay in; needs the owner of the database. Returns what it could not do.

    Tables are locked while they are rewritten: the writer waits, nothing is lost. Raises asyncpg errors.
    """
    left = [] if await _nobody_looks_back(connection, tell) else ["rows still visible to an older open transaction"]
    for table in TABLES:
        size = await connection.fetchval("select pg_total_relation_size($1::regclass)", table)
        tell(f"rewriting table {table} ({size / 1e6:.0f} MB)")
        await connection.execute(f"vacuum (full, analyze) {table}", timeout=FOREVER)
    try:
        for catalog in CATALOGS:
            await connection.execute(f"vacuum full {catalog}", timeout=FOREVER)
    except REFUSED as error:
        left.append(f"planner statistics: {error}")
    tell("rotating the write-ahead log")
    try:
        await _wal(connection)
    except REFUSED as error:
        left.append(f"the write-ahead log of PostgreSQL, until it is overwritten or removed: {error}")
    return left


async def _nobody_looks_back(connection: asyncpg.Connection, tell: Callable[[str], None]) -> bool:
    """True when no transaction is open that began before now: a rewrite keeps dead rows that such a one can see."""
    now = await connection.fetchval("select pg_current_xact_id()::text::bigint")
    for attempt in range(OLD_LOOKS):
        oldest = await connection.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        held = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and coalesce(backend_xmin::text::bigint, 1::bigint << 62) <= $1 % (1::bigint << 32)",
            now,
        )
        if oldest > now and not held:
            return True
        if attempt == 0:
            tell("waiting for older transactions to end")
        await asyncio.sleep(0.5)
    return False


async def _wal(connection: asyncpg.Connection) -> None:
    """No segment of the log that is there now is left: used ones are removed instead of recycled, and those that were
    recycled earlier are used up."""
    if await connection.fetchval("show wal_recycle") == "on":
        await connection.execute("alter system set wal_recycle = off")
        await connection.execute("select pg_reload_conf()")
    await connection.execute("checkpoint", timeout=FOREVER)
    present = {row[0] for row in await connection.fetch("select name from pg_ls_waldir()")}
    for _ in range(len(present) + 1):
        await connection.execute("select pg_logical_emit_message(true, 'mnemo', 'erase')")
        await connection.execute("select pg_switch_wal()")
    await connection.execute("checkpoint", timeout=FOREVER)
    after = {row[0] for row in await connection.fetch("select name from pg_ls_waldir()")}
    if len(present & after) > 1:  # a replication slot or an archiver holds it
        raise asyncpg.FeatureNotSupportedError(f"{len(present & after)} held by a replication slot or an archiver")


FAILURES = (nats.errors.Error, APIError, TimeoutError)
