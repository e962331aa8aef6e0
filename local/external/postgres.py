"""A PostgreSQL of one's own: only its address is known; nobody here starts, watches or stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from mnemostream.runtime.logs import without_password

ANSWER_SECONDS = 30.0
EXTENSION, ROLES = "vector", ("mnemo_writer", "mnemo_reader")
ABLE = """
select current_user as name,
       rolsuper or rolcreaterole as may,
       exists (select from pg_available_extensions where name = $1) as there,
       exists (select from pg_extension where extname = $1) as made,
       rolsuper or exists (select from pg_available_extension_versions
                           where name = $1 and (trusted or not superuser)) as may_make,
       (select string_agg(rolname, ', ' order by rolname) from pg_roles
        where rolname = any($2) and current_setting('server_version_num')::int >= 160000 -- before, createrole is enough
          and not pg_has_role(current_user, oid, 'member with admin option')) as foreign_roles,
       has_database_privilege(current_database(), 'create') as creates
from pg_roles where rolname = current_user
"""


class ExternalPostgres:
    """In the place of `Postgres`. The given user owns the tables and makes the two lesser roles."""

    def __init__(self, dsn: str, passwords: Mapping[str, str]) -> None:
        self._dsn = dsn
        self._passwords = passwords

    def dsn(self, role: str = "postgres") -> str:
        """DSN for one role: the owner (as given), mnemo_writer or mnemo_reader.

        >>> given = ExternalPostgres("postgresql://me:a@db:5433/memory?sslmode=require", {"mnemo_reader": "r"})
        >>> given.dsn("mnemo_reader")
        'postgresql://mnemo_reader:r@db:5433/memory?sslmode=require'
        """
        if role not in self._passwords:
            return self._dsn
        parts = urlsplit(self._dsn)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{quote(self._passwords[role], safe='')}@{place}"))

    def through(self, via: int) -> ExternalPostgres:
        """There is no proxy in between."""
        return self

    def left(self) -> None:
        """Nothing of it is here."""

    async def ready(self) -> None:
        """Returns when it answers and can hold the archive. Raises RuntimeError that says what it lacks."""
        name = without_password(self._dsn)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=30)
                break
            except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
                refused = isinstance(error, (asyncpg.InvalidAuthorizationSpecificationError, ValueError))
                if refused or isinstance(error, asyncpg.InvalidCatalogNameError) or loop.time() > deadline:
                    raise RuntimeError(f"PostgreSQL at {name}: {error or type(error).__name__}") from error
                await asyncio.sleep(0.5)
        try:
            lacks = await _lacks(connection)
        finally:
            await connection.close(timeout=5)
        if lacks:
            raise RuntimeError(f"PostgreSQL at {name}: {lacks}")


async def _lacks(connection: asyncpg.Connection) -> str:
    """What the server or the user must have before the schema is made; "" = nothing."""
    row = await connection.fetchrow(ABLE, EXTENSION, ROLES)
    if not row["there"] and not row["made"]:
        return "pgvector is not installed there (https://github.com/pgvector/pgvector#installation)"
    if not row["made"] and not row["may_make"]:
        return "a superuser must run `create extension vector` in this database first"
    if not row["may"]:
        return f"its user {row['name']} may not make roles: `alter role {row['name']} createrole`"
    if row["foreign_roles"]:
        return f"another user made its roles: `grant {row['foreign_roles']} to {row['name']} with admin option`"
    if not row["creates"]:
        return f"its user {row['name']} may make nothing in this database: it must own it"
    return ""
