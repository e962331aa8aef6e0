"""Opens a database of another program for a moment, so that its owner notices nothing.

| beside the file | what is done | why |
|---|---|---|
| `-wal` and `-shm` | `mode=ro`, `query_only`, half a second | its owner is there; readers of a WAL lock nobody out |
| `-wal` alone | a link to the file, a copy of the WAL, in a folder of ours | `mode=ro` would leave a `-shm` |
| `-journal` | nothing; tried again | its owner is in a transaction, or must undo one first |
| none | `immutable=1`; counts if the signature is the same afterwards | `mode=ro` would leave `-wal` and `-shm` |

`immutable=1` beside a WAL with content hides its rows. https://www.sqlite.org/wal.html, https://www.sqlite.org/uri.html
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from mnemostream.runtime.rows.values import text

BUSY_SECONDS = 0.5
MOST_COPIED = 512 << 20
"""Bytes of a database that are copied where no link can be made."""
SQLITE = b"SQLite format 3\0"
WAL_HEADER, SHM_HEADER = 32, 48


class Busy(Exception):
    """The database cannot be read now: its owner holds it, or it changed meanwhile. It is tried again."""


class Signature(msgspec.Struct, frozen=True):
    """What tells, without a lock, whether a database may have changed."""

    file: tuple[int, int, int]
    """Inode, size and mtime."""
    wal: tuple[int, int, int]
    journal: tuple[int, int, int]
    header: bytes
    """The change counter of the file."""
    wal_header: bytes
    """Salts: a WAL keeps its size."""
    shm: bytes
    """The header of the index: how many frames hold."""

    @property
    def in_wal(self) -> bool:
        """True if rows may stand in the WAL alone."""
        return self.wal[1] > 0


def signature(path: str) -> Signature:
    """The signature of a database. Raises OSError if it cannot be looked at."""
    with open(path, "rb") as file:
        file.seek(24)
        header = file.read(4)
    return Signature(
        _stat(path, needed=True),
        _stat(f"{path}-wal"),
        _stat(f"{path}-journal"),
        header,
        _head(f"{path}-wal", WAL_HEADER),
        _head(f"{path}-shm", SHM_HEADER),
    )


def is_database(path: str) -> bool:
    """True for a file that begins like a database."""
    return _head(path, len(SQLITE)) == SQLITE


@contextmanager
def reading(path: str, scratch: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one short reading; `scratch` is a folder of ours. Raises Busy."""
    try:
        before = signature(path)
    except OSError as error:
        raise Busy(error.strerror or str(error)) from error
    if before.journal[1] > 0 and any(_head(f"{path}-journal", 8)):
        raise Busy("its owner is in a transaction")
    in_place = before.shm != b"" and before.wal != (0, 0, 0)
    if in_place or not before.in_wal:
        with _opened(path, "mode=ro" if in_place else "mode=ro&immutable=1") as connection:
            yield connection
    else:
        with _borrowed(path, before, scratch) as copy, _opened(copy, "mode=ro") as connection:
            yield connection
    if not in_place and _signature(path) != before:
        raise Busy("it changed while it was read")


def _signature(path: str) -> Signature | None:
    try:
        return signature(path)
    except OSError:
        return None


@contextmanager
def _opened(path: str, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        uri = f"file:{quote(path)}?{mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.text_factory = text
            connection.execute("pragma query_only = on")
            yield connection
    except sqlite3.OperationalError as error:
        raise Busy(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise Busy(f"cannot be read: {error}") from error


@contextmanager
def _borrowed(path: str, before: Signature, scratch: Path) -> Iterator[str]:
    """The file under a name of ours, with a copy of its WAL: SQLite puts its index beside that name."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="wal-") as folder:
        copy = os.path.join(folder, "copy.db")
        try:
            os.link(path, copy)
        except OSError as error:
            if before.file[1] > MOST_COPIED:
                raise Busy("too large to copy, and its owner has left a WAL behind") from error
            shutil.copyfile(path, copy)
        try:
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        except OSError as error:
            raise Busy(str(error)) from error
        if _signature(path) != before:
            raise Busy("it changed while it was copied")
        yield copy


def _stat(path: str, *, needed: bool = False) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        if needed:
            raise
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _head(path: str, size: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""
