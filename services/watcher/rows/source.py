"""One database: looks at it, and writes down what has changed. Blocks on disk; runs in a thread.

    signature equal ──▶ nothing
    else open for a moment ──▶ sessions that may have changed ──▶ their rows, one snapshot each
         ──▶ a row whose digest is new is a line, a key that is missing a `gone` line ──▶ append ──▶ digests

The row log holds every state that was seen, and always the last one; not every state that was there between two looks.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path

import msgspec

from mnemostream.contracts import sources
from mnemostream.runtime.rows import values
from mnemostream.runtime.rows.delta import Delta, delta_of
from mnemostream.runtime.rows.opening import Busy, Signature, reading, signature
from mnemostream.runtime.rows.parts import Parts, parts_of
from mnemostream.runtime.rows.sessions import Marks, changed_since, rows_of, sessions_of
from mnemostream.runtime.rows.tables import Plan, left_out, plan, tables_of
from mnemostream.services.watcher.rows.digests import Digests
from mnemostream.services.watcher.rows.lines import Lines
from mnemostream.services.watcher.rows.spool import Spool

HOT_SECONDS = 900.0
"""Sessions that have changed in this time are read at each look: an edit without a stamp is seen while it matters."""
MOST_ROWS = 1000
MOST_BYTES = 4 << 20
"""Rows, and bytes that are new, after which a database is let go, and opened again: an owner that leaves, or that must
clear its WAL, does not meet us for long. A session is read in one piece."""
SMALL_BYTES = 8 << 20
"""Up to so many, all rows are compared at each look: it takes some 40 ms."""
QUIET_SECONDS = 60.0
"""So long after its last change all rows of a database are compared once: edits that no rule sees."""
DUTY = 60.0
"""A comparison that takes t seconds is repeated after 60 t at the earliest."""
DEEP_SECONDS = 24 * 3600.0
COLD = 0.0
DURABLE = 16
"""Up to so many row logs are flushed to the disk at a look; a first capture of thousands is compared at the start."""


class Look(msgspec.Struct):
    """What one look has found."""

    changed: list[str] = []
    """Row logs that were appended to: paths."""
    rows: int = 0
    left_out: dict[str, int] = {}
    """At a sweep: tables that are not captured, and about how many rows each has had."""
    problem: str = ""
    """Why the database could not be read; "" = it was."""


class Scope(msgspec.Struct, frozen=True):
    """What one look reads, and what is noted after it."""

    layout: Plan
    sessions: set[str]
    parts: Parts
    marks: Marks
    schema: bytes


class RowSource:
    """One database of one assistant. `place` is the folder of its row logs."""

    def __init__(self, path: str, source: str, place: Path, touched: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.source = source
        self.place = place
        self.spool = Spool(place)
        self.state = place.with_name(f"{place.name}.state")
        """Of what is no row log: the digests, and copies of a WAL while they are read."""
        self.digests = Digests(self.state / "digests.sqlite")
        self.touched = touched
        self.muted: Callable[[str], bool] = lambda name: False
        """True for the row log of a session that a person wanted gone: nothing of it is written down."""
        self.seen: Signature | None = None
        """The signature at which everything was written down."""
        self.repaired = False
        self.stirred = 0.0
        self.swept = 0.0
        """Unix times of the last look that found the signature changed, and of the last comparison of all rows."""
        self.cost = 0.0
        """Seconds that a comparison takes: told by who runs it."""

    def look(self, now: float, *, deep: bool = False) -> Look:
        """Writes down what has changed; `deep` = every row is compared. `now` is Unix time."""
        found = Look()
        self.repair()
        try:
            before = signature(self.path)
            if before == self.seen and not deep:
                return found
            self._look(now, found, deep=deep or not self.swept)
        except FileNotFoundError:
            return found  # kept here only
        except (Busy, OSError) as error:
            found.problem = getattr(error, "strerror", None) or str(error)
            return found
        if before != self.seen:
            self.stirred = now
        self.seen = before
        return found

    def is_due(self, now: float) -> bool:
        """True if all rows are to be compared: it has changed since, and rests; or a day has passed."""
        rested = self.stirred > self.swept and now - self.stirred > QUIET_SECONDS
        return (rested and now - self.swept > DUTY * self.cost) or now - self.swept > DEEP_SECONDS

    def repair(self) -> None:
        """After a start: what was appended and not noted is taken back; a row log that is not whole begins anew."""
        if self.repaired:
            return
        self.repaired = True
        for session, size in self.digests.sizes().items():
            if not self.spool.cut(session, size):
                self.spool.remove(session)
                self.digests.forget(session)

    def _look(self, now: float, found: Look, *, deep: bool) -> None:
        """Reads a few sessions, lets the database go, writes down what it read: nothing is written while it is held,
        and nothing that a change meanwhile may have torn."""
        with reading(self.path, self.state) as connection:
            scope = self._scope(connection, now, found, deep=deep)
        if scope is None:
            return
        moment = now if self.digests.fact("schema") else COLD  # what was there at the first look is not hot
        pending = deque(sorted(scope.sessions))
        durable = len(pending) <= DURABLE
        while pending:
            with ExitStack() as stack:
                for session, delta, lines in self._batch(scope, pending, stack):
                    self.touched()
                    self._session(session, delta, lines, moment=moment, found=found, durable=durable)
        self.digests.tell("parts", scope.parts.digest())
        self.digests.mark(scope.marks)
        self.digests.tell("schema", scope.schema)
        if deep:
            self.swept = now

    def _batch(self, scope: Scope, pending: deque[str], stack: ExitStack) -> list[tuple[str, Delta, Lines]]:
        """What has changed in the next few sessions; the lines hold until the end of the stack."""
        batch: list[tuple[str, Delta, Lines]] = []
        rows = size = 0
        with reading(self.path, self.state) as connection:
            while pending and rows < MOST_ROWS and size < MOST_BYTES:
                self.touched()
                session, lines = pending.popleft(), stack.enter_context(closing(Lines(self.state)))
                parts = scope.parts.sessions.get(session, [])
                read = rows_of(connection, scope.layout, session)
                delta = delta_of(scope.layout, session, read, parts, self.digests.of(session), lines)
                batch.append((session, delta, lines))
                rows, size = rows + delta.rows, size + lines.size
        return batch

    def _scope(self, connection: sqlite3.Connection, now: float, found: Look, *, deep: bool) -> Scope | None:
        """What a look must read; None for an assistant's file without sessions (yet)."""
        expected = sources.BY_NAME[self.source].dialect if self.source in sources.BY_NAME else ""
        kind = self.digests.fact("kind").decode() or sources.of_tables(tables_of(connection), expected)
        database = sources.DATABASES.get(kind)
        if database is None:
            return None
        self.digests.tell("kind", kind.encode())  # a table may be dropped
        file = Path(self.path)
        named = {"": "", "file": file.stem, "folder": file.parent.name}[database.one_session]
        layout = plan(connection, database, named)
        schema = values.encoded([layout.schema, layout.columns])
        marks = self.digests.marks()
        sessions = changed_since(connection, layout, marks)
        if os.path.getsize(self.path) <= SMALL_BYTES or deep or self.digests.fact("schema") != schema:
            sessions = sessions_of(connection, layout) | self.digests.sizes().keys()
        else:
            sessions |= self.digests.hot(now - HOT_SECONDS)
        parts = parts_of(connection, layout)
        if deep:
            found.left_out = dict(left_out(connection, layout))
        if self.digests.fact("parts") != parts.digest():
            sessions |= parts.sessions.keys()
        return Scope(layout, sessions, parts, marks, schema)

    def _session(self, session: str, delta: Delta, lines: Lines, *, moment: float, found: Look, durable: bool) -> None:
        """Appends what has changed in one session, then notes it."""
        if not (delta.header or lines):
            return
        if self.muted(self.spool.path(session).name):
            self.spool.remove(session)
            return
        size = self.spool.append(session, chain([delta.header], lines.taken()), durable=durable)
        self.digests.save(session, delta.changed, delta.gone, size, moment)
        found.changed.append(str(self.spool.path(session)))
        found.rows += len(lines) + bool(delta.header)

    def close(self) -> None:
        """Ends the connection to the digests."""
        self.digests.close()
