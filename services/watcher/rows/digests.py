"""What was written down of each row: 16 bytes of its last state, in a database of the watcher's own. Losing it costs
one generation of each row log, never a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mnemostream.runtime.rows.delta import Key
from mnemostream.runtime.rows.sessions import Marks

SCHEMA = """
create table if not exists rows (
    session text not null, tbl text not null, key blob not null, digest blob not null,
    primary key (session, tbl, key)
) without rowid;
create table if not exists sessions (session text primary key, size integer not null, changed real not null);
create table if not exists facts (name text primary key, value blob not null);
"""


class Digests:
    """One file beside the row logs of one database."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._connection: sqlite3.Connection | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        """Opened when it is first needed; a damaged file is begun anew."""
        if self._connection is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError:
                for name in (self.file, *(self.file.with_name(self.file.name + end) for end in ("-wal", "-shm"))):
                    name.unlink(missing_ok=True)
                self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma cache_size = -2000")
        connection.executescript(SCHEMA)
        return connection

    def of(self, session: str) -> dict[Key, bytes]:
        """The digests of a session."""
        rows = self.connection.execute("select tbl, key, digest from rows where session = ?", (session,))
        return {(table, key): digest for table, key, digest in rows}

    def sizes(self) -> dict[str, int]:
        """How long each row log is."""
        return dict(self.connection.execute("select session, size from sessions"))

    def hot(self, since: float) -> set[str]:
        """Sessions that have changed since a Unix time."""
        return {name for (name,) in self.connection.execute("select session from sessions where changed > ?", (since,))}

    def save(
        self, session: str, changed: Iterable[tuple[Key, bytes]], gone: Iterable[Key], size: int, moment: float
    ) -> None:
        """What was written down of a session, in one transaction."""
        connection = self.connection
        connection.execute("begin immediate")
        try:
            connection.executemany(
                "insert or replace into rows values (?, ?, ?, ?)",
                ((session, table, key, digest) for (table, key), digest in changed),
            )
            connection.executemany(
                "delete from rows where session = ? and tbl = ? and key = ?",
                ((session, table, key) for table, key in gone),
            )
            connection.execute("insert or replace into sessions values (?, ?, ?)", (session, size, moment))
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")

    def forget(self, session: str) -> None:
        """Everything about a session: its row log begins anew."""
        self.connection.execute("delete from rows where session = ?", (session,))
        self.connection.execute("delete from sessions where session = ?", (session,))

    def marks(self) -> Marks:
        """Where the fast rule stands."""
        found = self.connection.execute("select value from facts where name = 'marks'").fetchone()
        try:
            return msgspec.json.decode(found[0], type=Marks) if found else Marks()
        except msgspec.DecodeError:
            return Marks()

    def mark(self, marks: Marks) -> None:
        """Moves the fast rule on."""
        self.connection.execute("insert or replace into facts values ('marks', ?)", (msgspec.json.encode(marks),))

    def fact(self, name: str) -> bytes:
        """A fact of the whole database; b"" = unknown."""
        found = self.connection.execute("select value from facts where name = ?", (name,)).fetchone()
        return bytes(found[0]) if found else b""

    def tell(self, name: str, value: bytes) -> None:
        """Keeps a fact."""
        self.connection.execute("insert or replace into facts values (?, ?)", (name, value))

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
