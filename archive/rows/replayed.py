"""The last state of each row by the row logs of a database.

The row is the unit of proof: pages of the file, their order and what is free in them are nobody's words.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mnemostream.contracts.sources import DATABASES
from mnemostream.runtime.rows import values
from mnemostream.runtime.rows.tables import quoted

PART_OF = "of"


class Difference(msgspec.Struct, frozen=True):
    """Rows of one table that are not the same in the archive and in the database."""

    table: str
    missing: int
    """Rows of the database that the archive lacks, or has in another state."""
    kept: int
    """Rows that the archive alone has."""


class Replayed:
    """Fed with row logs, whole lines each."""

    def __init__(self) -> None:
        self.schema: dict[str, str] = {}
        self.columns: dict[str, list[str]] = {}
        self.rows: dict[str, dict[bytes, bytes]] = {}
        """By table: encoded key and values."""
        self.bad = 0
        """Lines that say nothing."""

    def take(self, data: bytes) -> None:
        """The lines of one row log, in their order."""
        for line in data.splitlines():
            try:
                obj = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            except (msgspec.DecodeError, msgspec.ValidationError):
                self.bad += 1
                continue
            if "schema" in obj:
                self.schema |= msgspec.json.decode(obj["schema"], type=dict[str, str])
                self.columns |= msgspec.json.decode(obj["columns"], type=dict[str, list[str]])
            elif "t" in obj and "k" in obj and PART_OF not in obj:
                table = self.rows.setdefault(msgspec.json.decode(obj["t"], type=str), {})
                key = bytes(obj["k"])
                if "v" in obj:
                    table[key] = bytes(obj["v"])
                else:
                    table.pop(key, None)

    def differences(
        self, connection: sqlite3.Connection, away: Mapping[str, Counter[bytes]] | None = None
    ) -> list[Difference]:
        """Row for row against a database, in one snapshot; `away` are rows of it that are missing rightly."""
        connection.execute("begin")
        try:
            there = {str(name) for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            found = [
                self._difference(connection, name, name in there, (away or {}).get(name))
                for name in sorted(self.columns)
            ]
        finally:
            connection.execute("commit")
        return [one for one in found if one.missing or one.kept]

    def _difference(
        self, connection: sqlite3.Connection, table: str, there: bool, away: Counter[bytes] | None
    ) -> Difference:
        ours = Counter(self.rows.get(table, {}).values())
        theirs: Counter[bytes] = Counter()
        if there:
            info = connection.execute(f"pragma table_info({quoted(table)})")
            columns = [str(row[1]) for row in info]
            wanted = [name for name in self.columns[table] if name in columns]
            names = ", ".join(map(quoted, wanted))
            known = self._captured_keys(table)
            for row in connection.execute(f"select {names} from {quoted(table)}"):
                if known is None or _prefixed(row[0], known):
                    theirs[values.encoded(row)] += 1
        theirs -= away or Counter()
        return Difference(table, (theirs - ours).total(), (ours - theirs).total())

    def _captured_keys(self, table: str) -> tuple[str, ...] | None:
        """Prefixes of the keys that are captured; None = all rows are."""
        for database in DATABASES.values():
            if (found := database.named(table)) and found.keys:
                return found.keys
        return None

    def write(self, target: Path) -> int:
        """A new database with schema and rows; how many. Raises FileExistsError."""
        if target.exists():
            raise FileExistsError(target)
        connection = sqlite3.connect(target, isolation_level=None)
        connection.execute("begin")
        count = 0
        for name in sorted(self.columns):
            if name in self.schema:
                connection.execute(self.schema[name])
                count += _insert(connection, name, self.columns[name], self.rows.get(name, {}))
        connection.execute("commit")
        connection.close()
        return count


def _insert(connection: sqlite3.Connection, table: str, columns: list[str], rows: dict[bytes, bytes]) -> int:
    names = ", ".join(map(quoted, columns))
    count = 0
    for state in rows.values():
        row = [values.stored(value) for value in msgspec.json.decode(state)]
        row += [None] * (len(columns) - len(row))
        marks = ", ".join("cast(? as text)" if isinstance(value, values.Odd) else "?" for value in row)
        bound = [value.data if isinstance(value, values.Odd) else value for value in row]
        connection.execute(f"insert into {quoted(table)} ({names}) values ({marks})", bound)
        count += 1
    return count


def _prefixed(key: Any, prefixes: tuple[str, ...]) -> bool:
    text = key if isinstance(key, str) else ""
    return any(text == one[:-1] if one.endswith("!") else text.startswith(one) for one in prefixes)
