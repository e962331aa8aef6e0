"""Reads the rows of one session, and finds the sessions that may have changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import msgspec

from mnemostream.runtime.rows.tables import (
    NO_SESSION,
    Captured,
    Plan,
    ordered,
    quoted,
    rank,
    session_of_key,
    session_text,
)

Row = tuple[Captured, tuple[Any, ...]]
Condition = tuple[str, tuple[str, ...]]
"""Of a statement, with its values."""
Read = Callable[..., Iterator[Row]]
LAST = "\U0010ffff"
MOST_HELD = 4 << 20
"""Bytes of the rows of a session that are held in memory."""


class Marks(msgspec.Struct):
    """Where the fast rule stands: the highest rowid and stamp by table."""

    rowids: dict[str, int] = {}
    stamps: dict[str, Any] = {}


def rows_of(connection: sqlite3.Connection, plan: Plan, session: str) -> Iterator[Row]:
    """All rows of a session in one snapshot, in their order. It lasts until all were taken.

    Up to MOST_HELD bytes are held at a time: in a larger session the order is found first, then each row is read.
    """
    connection.execute("begin")
    held: list[Row] = []
    size = 0
    for table, row in _rows(connection, plan, session, _select):
        held.append((table, row))
        size += sum(len(value) for value in row if isinstance(value, (str, bytes)))
        if size > MOST_HELD:
            held.clear()
            yield from _one_by_one(connection, plan, session)
            break
    yield from ordered(held)
    connection.execute("commit")


def _one_by_one(connection: sqlite3.Connection, plan: Plan, session: str) -> Iterator[Row]:
    """The same rows in the same order; of tables with a rowid none but the last is held."""
    found = [
        (rank(row[1:] if table.rowid else [row[at] for at in table.order]), table, row[0] if table.rowid else row)
        for table, row in _rows(connection, plan, session, _places)
    ]
    found.sort(key=itemgetter(0))
    for _, table, place in found:
        if table.rowid:
            yield from _select(connection, table, "where _rowid_ = ?", place)
        else:
            yield table, place


def _rows(connection: sqlite3.Connection, plan: Plan, session: str, read: Read) -> Iterator[Row]:
    for table in plan.tables:
        for where, values in _everywhere(connection, table) if plan.one_session else _where(connection, table, session):
            yield from read(connection, table, where, *values)


def _where(connection: sqlite3.Connection, table: Captured, session: str) -> Iterator[Condition]:
    """Where the rows of a session are in one table."""
    if table.keyed:
        yield from _of_keys(table, session)
    elif table.join:
        column, _, other = table.join.partition(":")
        inner = f"select {_key_column(connection, other)} from {quoted(other)} where {_owner(table)} = ?"
        yield f"where {quoted(column)} in ({inner})", (session,)
    elif table.session >= 0:
        column = quoted(table.columns[table.session])
        yield (f"where {column} is null", ()) if session == NO_SESSION else (f"where {column} = ?", (session,))
    elif session == NO_SESSION:
        yield from _everywhere(connection, table)


def _owner(table: Captured) -> str:
    """The column that names the session in the table that is gone through: it has the same name there."""
    return quoted(table.map.session)


def _key_column(connection: sqlite3.Connection, table: str) -> str:
    info = connection.execute(f"pragma table_info({quoted(table)})")
    return quoted(next((str(row[1]) for row in info if row[5]), "id"))


def _of_keys(table: Captured, session: str) -> Iterator[Condition]:
    column = quoted(table.columns[table.key[0]] if table.key else table.columns[0])
    for prefix in table.map.keys:
        if prefix.endswith("!"):
            if session == NO_SESSION:
                yield f"where {column} = ?", (prefix[:-1],)
        elif session != NO_SESSION:
            key = prefix + session
            yield f"where {column} = ?", (key,)
            yield f"where {column} > ? and {column} < ?", (f"{key}:", f"{key}:{LAST}")


def _everywhere(connection: sqlite3.Connection, table: Captured) -> Iterator[Condition]:
    if table.keyed:
        for session in [NO_SESSION, *sorted(set(_key_sessions(connection, table)) - {NO_SESSION})]:
            yield from _of_keys(table, session)
    else:
        yield "", ()


def _select(connection: sqlite3.Connection, table: Captured, where: str, *values: Any) -> Iterator[Row]:
    names = ", ".join(map(quoted, table.columns))
    order = " order by rowid" if table.rowid else ""
    for row in connection.execute(f"select {names} from {quoted(table.name)} {where}{order}", values):
        yield table, row


def _places(connection: sqlite3.Connection, table: Captured, where: str, *values: Any) -> Iterator[Row]:
    """In place of rows: the rowid, and what their order is made of. Whole rows where there is no rowid."""
    if not table.rowid:
        yield from _select(connection, table, where, *values)
        return
    names = ", ".join(["_rowid_", *(quoted(table.columns[at]) for at in table.order)])
    for row in connection.execute(f"select {names} from {quoted(table.name)} {where} order by rowid", values):
        yield table, row


def _key_sessions(connection: sqlite3.Connection, table: Captured, where: str = "", *values: int) -> Iterator[str]:
    column = quoted(table.columns[table.key[0]] if table.key else table.columns[0])
    for (key,) in connection.execute(f"select {column} from {quoted(table.name)} {where}", values):
        if (session := session_of_key(table, key)) is not None:
            yield session


def sessions_of(connection: sqlite3.Connection, plan: Plan) -> set[str]:
    """All sessions that rows name, and that of rows of none."""
    if plan.one_session:
        return {plan.one_session}
    found = {NO_SESSION}
    for table in plan.tables:
        found.update(_named(connection, table, ""))
    return found


def changed_since(connection: sqlite3.Connection, plan: Plan, marks: Marks) -> set[str]:
    """Sessions with rows that came since the marks, or whose stamp rose; moves the marks on. An edit in place moves
    neither: the hot set and the sweeps find it."""
    found: set[str] = set()
    for table in plan.tables:
        name = table.name
        if table.rowid:
            (last,) = connection.execute(f"select max(rowid) from {quoted(name)}").fetchone()
            since = marks.rowids.get(name, -1)
            if last is not None and int(last) != since:
                found.update(_named(connection, table, "where rowid > ?", min(since, int(last) - 1)))
                marks.rowids[name] = int(last)
        if table.map.stamp in table.columns and table.session >= 0:
            found.update(_stamped(connection, table, marks))
        if not (table.session >= 0 or table.keyed or table.join):
            found.add(NO_SESSION)
    return {plan.one_session} if plan.one_session else found | ({NO_SESSION} if _has_none(plan) else set())


def _has_none(plan: Plan) -> bool:
    return any(prefix.endswith("!") for table in plan.tables for prefix in table.map.keys)


def _stamped(connection: sqlite3.Connection, table: Captured, marks: Marks) -> Iterator[str]:
    stamp, session = quoted(table.map.stamp), quoted(table.columns[table.session])
    since = marks.stamps.get(table.name)
    (last,) = connection.execute(f"select max({stamp}) from {quoted(table.name)}").fetchone()
    if not isinstance(last, (int, float, str)) or last == since:
        return
    marks.stamps[table.name] = last
    where = "" if since is None else f"where {stamp} > ?"
    values = () if since is None else (since,)
    for (value,) in connection.execute(f"select distinct {session} from {quoted(table.name)} {where}", values):
        yield session_text(value)


def _named(connection: sqlite3.Connection, table: Captured, where: str, *values: int) -> Iterator[str]:
    """The sessions of some rows."""
    if table.keyed:
        yield from _key_sessions(connection, table, where, *values)
    elif table.join:
        column, _, other = table.join.partition(":")
        key = _key_column(connection, other)
        keys = f"select {quoted(column)} from {quoted(table.name)} {where}"
        sql = f"select distinct {_owner(table)} from {quoted(other)} where {key} in ({keys})"
        yield from (session_text(value) for (value,) in connection.execute(sql, values))
    elif table.session >= 0:
        column = quoted(table.columns[table.session])
        # `distinct` beside a condition: SQLite goes through a whole index of that column instead of the few rows
        sql = f"select {'' if where else 'distinct '}{column} from {quoted(table.name)} {where}"
        yield from (session_text(value) for (value,) in connection.execute(sql, values))


def facts(told: dict[str, str], table: Captured, row: tuple[Any, ...]) -> None:
    """Adds what a session's own row says of it: its project, and the session that began it."""
    for name, column in (("cwd", table.map.project), ("parent", table.map.parent)):
        if column in table.columns and name not in told:
            value = row[table.columns.index(column)]
            if isinstance(value, str) and value:
                told[name] = value
