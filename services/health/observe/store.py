"""The database, seen by the reader's role. Every question has a time limit; every failure becomes words."""

from __future__ import annotations

import asyncio
import shutil
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from mnemostream.archive import queries

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What asking the database may raise."""


class Store:
    """The database, seen by the reader's role. Connects when first asked, and again when it was away."""

    def __init__(self, dsn: str, name: str, seconds: float) -> None:
        self._dsn = dsn
        self._name = name
        self._seconds = seconds
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def ask(self, name: str, *args: Any) -> list[dict[str, Any]]:
        """Rows of `sql/<name>.sql`, within the time limit. Raises one of FAILURES."""
        async with asyncio.timeout(self._seconds), self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._dsn,
                        timeout=self._seconds,
                        command_timeout=self._seconds,
                        server_settings={
                            "application_name": f"mnemo-health-{self._name}",
                            "statement_timeout": str(int(self._seconds * 1000)),
                        },
                    )
                return [dict(row) for row in await self._connection.fetch(_query(name), *args)]
            except BaseException:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                raise

    async def close(self) -> None:
        """Closes what is open."""
        if self._connection is not None:
            self._connection.terminate()


async def database_error(store: Store) -> str:
    """Why the database does not take rows; "" if it does."""
    try:
        row = (await store.ask("alive"))[0]
    except Exception as error:  # whatever it answers, it is not what a database answers
        return describe(error)
    if row["in_recovery"]:
        return "it is a read-only standby in recovery"
    return "it is read-only (default_transaction_read_only)" if row["read_only"] else ""


def describe(error: BaseException) -> str:
    """An exception for people."""
    if not isinstance(error, FAILURES):
        return f"invalid answer or address ({type(error).__name__})"  # the text may hold a part of the address
    return str(error) or f"no answer in time ({type(error).__name__})"


def disk_free(folder: str) -> int | None:
    """Bytes that are free on the disk of a folder; None when it is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


@cache
def _query(name: str) -> str:
    """The health service's own query, or one that the person's commands ask, too."""
    own = files(__package__) / "sql" / f"{name}.sql"
    return own.read_text() if own.is_file() else queries.read(name)
