"""What is captured of a database: its map, put beside the schema that is really there.

Identifiers come from the schema itself and are quoted; nothing of a person is ever part of a statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mnemostream.contracts.sources import Database, Table
from mnemostream.runtime.rows.values import Odd, encoded

NO_SESSION = ""
"""The session of rows of none."""


class Captured(msgspec.Struct, frozen=True):
    """One captured table as it is there."""

    map: Table
    sql: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    """Positions of the key's columns; empty = the whole row."""
    session: int
    """Position of the column that names the session; −1 = none does."""
    order: tuple[int, ...]
    rowid: bool
    """True if rows have a rowid: the order in which they came."""
    join: str = ""
    """How the session is found where another table names it."""

    @property
    def name(self) -> str:
        return self.map.name

    @property
    def keyed(self) -> bool:
        """True for a store of keys and values: the key names the session."""
        return bool(self.map.keys)

    def key_of(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """The key of a row."""
        return tuple(row[at] for at in self.key) if self.key else row


class Plan(msgspec.Struct, frozen=True):
    """All captured tables, and those that are left out."""

    tables: tuple[Captured, ...]
    left_out: tuple[str, ...]
    one_session: str = NO_SESSION

    @property
    def schema(self) -> dict[str, str]:
        return {table.name: table.sql for table in self.tables}

    @property
    def columns(self) -> dict[str, list[str]]:
        return {table.name: list(table.columns) for table in self.tables}

    @property
    def by_session(self) -> list[Captured]:
        """Tables whose rows name a session."""
        return [table for table in self.tables if table.session >= 0 or table.join or table.keyed]


def quoted(name: str) -> str:
    """An identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def tables_of(connection: sqlite3.Connection) -> frozenset[str]:
    """Names of all tables, and of their columns as `table.column`."""
    names = [str(name) for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    columns = [f"{name}.{row[1]}" for name in names for row in connection.execute(f"pragma table_info({quoted(name)})")]
    return frozenset([*names, *columns])


def plan(connection: sqlite3.Connection, database: Database, one_session: str = NO_SESSION) -> Plan:
    """The map beside the schema."""
    there = {
        str(name): str(sql)
        for name, sql in connection.execute("select name, sql from sqlite_master where type = 'table'")
        if sql
    }
    captured = [_captured(connection, table, there) for table in database.tables if table.name in there]
    names = {table.name for table in captured}
    left = tuple(sorted(name for name in there if name not in names and not name.startswith("sqlite_")))
    return Plan(tuple(captured), left, one_session)


def _captured(connection: sqlite3.Connection, table: Table, there: dict[str, str]) -> Captured:
    sql = there[table.name]
    info = list(connection.execute(f"pragma table_info({quoted(table.name)})"))
    columns = [str(row[1]) for row in info if not table.columns or row[1] in table.columns]
    primary = [str(row[1]) for row in sorted(info, key=lambda row: row[5]) if row[5]]
    key = primary or _unique(connection, table.name)
    session = columns.index(table.session) if table.session in columns else -1
    join = ""
    if session < 0 and table.through:
        column, _, other = table.through.partition(":")
        if column in columns and other in there:
            join = f"{column}:{other}"
    return Captured(
        table,
        sql,
        tuple(columns),
        tuple(columns.index(name) for name in key if name in columns),
        session,
        tuple(columns.index(name) for name in table.order if name in columns),
        "without rowid" not in sql.lower(),
        join,
    )


def _unique(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns of a unique index."""
    for row in connection.execute(f"pragma index_list({quoted(table)})"):
        if row[2]:
            names = [r[2] for r in connection.execute(f"pragma index_info({quoted(str(row[1]))})")]
            if all(names):
                return [str(name) for name in names]
    return []


def session_text(value: Any) -> str:
    """A session's name as text; "" = none."""
    if value is None:
        return NO_SESSION
    if isinstance(value, (bytes, Odd)):
        return (value if isinstance(value, bytes) else value.data).decode("utf-8", "replace")
    return str(value)


def session_of_key(table: Captured, key: object) -> str | None:
    """The session that a key names; None for a key that is not captured."""
    text = session_text(key)
    for prefix in table.map.keys:
        if prefix.endswith("!"):
            if text == prefix[:-1]:
                return NO_SESSION
        elif text.startswith(prefix):
            return text[len(prefix) :].partition(":")[0]
    return None


def ordered(rows: list[tuple[Captured, tuple[Any, ...]]]) -> list[tuple[Captured, tuple[Any, ...]]]:
    """Rows of several tables in the order in which they were said: a message, its parts, the next message."""
    return sorted(rows, key=lambda pair: rank([pair[1][at] for at in pair[0].order]))


def rank(values: Sequence[Any]) -> tuple[tuple[int, Any], ...]:
    """Where a row stands whose columns of order have these values."""
    return tuple(map(_rank, values))


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, value)
    return (2, session_text(value))


def key_bytes(table: Captured, row: tuple[Any, ...]) -> bytes:
    """The key of a row as it is written down."""
    return encoded(table.key_of(row))


def left_out(connection: sqlite3.Connection, plan_: Plan) -> Iterator[tuple[str, int]]:
    """Tables that are not captured, and about how many rows each has had."""
    for name in plan_.left_out:
        try:
            (rows,) = connection.execute(f"select max(rowid) from {quoted(name)}").fetchone()
        except sqlite3.OperationalError:
            rows = 0
        yield name, int(rows or 0)
