"""The row logs of one database, once: for measurements and tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mnemostream.services.watcher.rows.identify import assistant_of
from mnemostream.services.watcher.rows.source import RowSource


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
