"""Sessions that stand within one value: Cursor kept all composers of a workspace in one row. Each is written down a
second time, in a row log of its own, so that it can be searched, shown and forgotten as a session."""

from __future__ import annotations

import hashlib
import sqlite3

import msgspec

from mnemostream.runtime.rows.tables import Captured, Plan, quoted
from mnemostream.runtime.rows.values import encoded

Part = tuple[str, bytes, str]
"""Table, encoded key and JSON."""


class Parts(msgspec.Struct):
    """By session."""

    sessions: dict[str, list[Part]] = {}

    def digest(self) -> bytes:
        """The same while no part has changed."""
        hasher = hashlib.blake2b(digest_size=16)
        for session in sorted(self.sessions):
            for table, key, part in self.sessions[session]:
                hasher.update(b"%d %d " % (len(key), len(part)) + table.encode() + key + part.encode())
        return hasher.digest()


def parts_of(connection: sqlite3.Connection, plan: Plan) -> Parts:
    """All parts of all values that hold some."""
    found = Parts({})
    for table in plan.tables:
        for key, place in table.map.parts.items():
            listing, _, name = place.partition(":")
            for text, part in _items(_value(connection, table, key), listing, name):
                found.sessions.setdefault(text, []).append((table.name, encoded([key, text]), part))
    return found


def _value(connection: sqlite3.Connection, table: Captured, key: str) -> bytes:
    column, value = quoted(table.columns[0]), quoted(table.columns[1])
    row = connection.execute(f"select {value} from {quoted(table.name)} where {column} = ?", (key,)).fetchone()
    if row is None:
        return b""
    return row[0].encode() if isinstance(row[0], str) else row[0] if isinstance(row[0], bytes) else b""


def _items(value: bytes, listing: str, name: str) -> list[tuple[str, str]]:
    """Id and JSON of each item, byte for byte as it stands there."""
    try:
        raw = msgspec.json.decode(value, type=dict[str, msgspec.Raw]).get(listing)
        items = msgspec.json.decode(raw, type=list[msgspec.Raw]) if raw else []
        found = []
        for item in items:
            fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
            session = msgspec.json.decode(fields[name]) if name in fields else None
            if isinstance(session, str) and session:
                found.append((session, bytes(item).decode()))
        return found
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return []
