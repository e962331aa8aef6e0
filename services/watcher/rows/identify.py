"""Whose database a file is."""

from __future__ import annotations

from pathlib import Path

from mnemostream.contracts import sources
from mnemostream.runtime.rows.opening import reading
from mnemostream.runtime.rows.tables import tables_of


def assistant_of(file: Path, scratch: Path) -> str:
    """The first assistant that keeps such tables; "" = nobody's. Raises Busy."""
    with reading(str(file), scratch) as connection:
        kind = sources.of_tables(tables_of(connection))
    database = sources.DATABASES.get(kind)
    return sources.CANONICAL.get(database.dialect or kind, "") if database else ""
