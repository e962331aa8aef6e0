"""The row logs of one database, once: for measurements and tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mnemostream.contracts import sources
from mnemostream.runtime.rows.opening import reading
from mnemostream.runtime.rows.tables import tables_of
from mnemostream.services.watcher.rows.source import RowSource

CURSOR = {"cursorstore": "cursor"}


def assistant_of(file: Path, scratch: Path) -> str:
    """The assistant whose database this is, by its tables; "" = nobody's. Raises Busy."""
    with reading(str(file), scratch) as connection:
        kind = sources.of_tables(tables_of(connection))
    kind = CURSOR.get(kind, kind)
    return sources.CANONICAL.get(kind, "")


def row_logs(file: Path, place: Path, source: str = "") -> Iterator[tuple[str, str, bytes]]:
    """Assistant, session and bytes of each row log. Raises Busy."""
    source = source or assistant_of(file, place)
    one = RowSource(str(file), source, place / "rows")
    try:
        one.look(0.0, deep=True)
        for session in one.digests.sizes():
            yield source, session, one.spool.path(session).read_bytes()
    finally:
        one.close()
