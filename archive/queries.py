"""The SQL of the person's commands, by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """Text of `sql/<name>.sql`."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text()
