"""The writer's SQL, by name, from the .sql files beside this module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """Text of `sql/<name>.sql`."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text()
