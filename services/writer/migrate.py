"""Brings the database to the newest schema; idempotent, forward only.

    python -m mnemostream.services.writer.migrate

Needs the owner's DSN. Each file of schema/ runs once, in order, in one transaction, under a lock.
"""

from __future__ import annotations

import asyncio
import hashlib
from importlib.resources import files

import asyncpg

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import Log, without_password
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.settings import Common
from mnemostream.services.writer import queries

log = Log("mnemo.migrate")


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_POSTGRES_DSN` of the owner, passwords of the two lesser roles, `MNEMO_EMBEDDER_MODEL`."""

    writer_password: str = ""
    """Password given to role mnemo_writer; empty = no login by password."""
    reader_password: str = ""
    """Password given to role mnemo_reader; empty = no login by password."""
    embedder_model: str = ""
    """Name of the embedding model, whose vectors are then taken; the bundled one's always are."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Applies what is missing. Raises Misconfigured when an applied file was changed since, or is not known here."""
    connection = await connected(settings.postgres_dsn)
    try:
        while not await _migrated(connection, settings):
            log.warning("services that run were in the way, trying again")
    finally:
        await connection.close(timeout=5)


async def _migrated(connection: asyncpg.Connection, settings: Settings) -> bool:
    """False where PostgreSQL has ended it in favour of others, who hold one table and wait for another."""
    try:
        async with connection.transaction():
            await connection.execute(queries.read("migrations"))
            await _not_newer(connection)
            await connection.execute(queries.read("roles"))
            await _passwords(connection, settings)
            for name, text in schema_files():
                await _apply(connection, name, text)
            await connection.execute(queries.read("grants"))
            models = [DEFAULT_MODEL, *filter(None, [settings.embedder_model])]
            await connection.execute(queries.read("announce"), models)
    except asyncpg.DeadlockDetectedError:
        return False
    return True


async def _not_newer(connection: asyncpg.Connection) -> None:
    """Services of this version would not know what they write to. Raises Misconfigured."""
    names = {row["name"] for row in await connection.fetch("select name from migrations")}
    if newer := sorted(names - {name for name, _ in schema_files()}):
        raise Misconfigured(
            f"a newer version has changed the database ({', '.join(newer)}): start that one again, "
            "or this one on a backup from before (docs/operations.md)"
        )


async def _passwords(connection: asyncpg.Connection, settings: Settings) -> None:
    passwords = {"mnemo_writer": settings.writer_password, "mnemo_reader": settings.reader_password}
    for role, password in passwords.items():
        if password:
            statement = "select format('alter role %I password %L', $1::text, $2::text)"
            await connection.execute(await connection.fetchval(statement, role, password))


async def connected(dsn: str) -> asyncpg.Connection:
    for _ in range(120):
        try:
            return await asyncpg.connect(dsn, timeout=5, command_timeout=300)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError) as error:
            raise Misconfigured(f"database {without_password(dsn)}: {error}") from error
        except (OSError, TimeoutError, asyncpg.PostgresError):
            await asyncio.sleep(0.5)
    raise Transient(f"no database answers at {without_password(dsn)}")


def schema_files() -> list[tuple[str, str]]:
    folder = files("mnemostream.services.writer.schema")
    return sorted((f.name, f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql"))


async def _apply(connection: asyncpg.Connection, name: str, text: str) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    applied = await connection.fetchval("select sha256 from migrations where name = $1", name)
    if applied is None:
        await connection.execute(text)
        await connection.execute("insert into migrations (name, sha256) values ($1, $2)", name, digest)
        log.info("schema file applied", file=name)
    elif applied != digest:
        raise Misconfigured(f"{name} was applied with different content; never edit a schema file, add a new one")


if __name__ == "__main__":
    lifecycle.run(main, Settings, None)
