"""The registry of assistants: registry.toml and databases.toml, read once.

A *dialect* is a parser in services/watcher/formats; an assistant's name in it is data.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

AUTO = "auto"
"""A root whose files say themselves which assistant wrote them."""
ATTACHMENT = "attachment"
"""The source of files that lie beside a session: outputs too large for the transcript, and what the assistant keeps
there. They are archived as they are, and never read."""
CANARY = "canary"
"""The source of synthetic lines of the end-to-end check: no assistant, and in no statistics, search or listing."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way of writing sessions."""

    parser: int = 1
    """Version of its parser: raised when the same bytes give other records. `mnemo replay --reparse` then applies it to
    the archive, and health names an archive that an older one has read."""
    marks: tuple[str, ...] = ()
    """Texts that are all in the beginning of one of its JSON documents, and of nobody else's."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One assistant; its name is the token in subjects."""

    name: str = ""
    title: str
    dialect: str
    store: Literal["log", "document", "folder", "database", "sealed"]
    """log: appended lines. document: rewritten as a whole. folder: a session of many files. database: rows. sealed:
    encrypted, archived as bytes."""
    homes: tuple[str, ...] = ()
    """Folders of its transcripts, as contracts/sources/places.py reads them."""
    files: str = r".*\.jsonl"
    """Regular expression of a transcript's path below a home, with '/'."""
    projects: tuple[str, ...] = ()
    """Files and folders below the folder of each project, where the assistant keeps its sessions beside the code."""
    databases: tuple[str, ...] = ()
    """Files of its databases, with `*`, as contracts/sources/places.py reads them."""
    sealed: str = ""
    """Regular expression of paths below a home that nobody can read: archived as bytes."""
    seen: str = ""
    """Versions in which its store was seen as it is described here."""
    sure: Literal["file", "source", "parser", "described"] = "described"
    """How the store is known: a real file, the assistant's own source, a parser of another project, a description."""
    resume: tuple[str, ...] = ()
    """The command that goes on with a session; its ID is the last argument."""
    deletes: str = ""
    """What the assistant deletes by itself, and when; "" = nothing is known."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One captured table of a database. What is not named here is left out, and counted."""

    name: str
    session: str = ""
    """Column that names the session; "" = by `keys`, or rows of no session."""
    order: tuple[str, ...] = ()
    """Columns by which the rows of a session are read off: the order in which they were said."""
    columns: tuple[str, ...] = ()
    """Columns that are captured; empty = all."""
    keys: tuple[str, ...] = ()
    """Prefixes of the first key column that are captured; the session is what follows, up to the next colon.
    One that ends with `!` is a whole key, of no session."""
    parts: dict[str, str] = {}
    """Values that hold sessions: key, and `list:id`, the field with their list and the one with each one's name."""
    through: str = ""
    """`column:table`, where no column names the session: the row of that table whose key the column holds does."""
    project: str = ""
    """Column of the project's folder."""
    parent: str = ""
    """Column of the session that began this one: it is one of a sub-agent."""
    stamp: str = ""
    """Column that rises when a row of the session changes."""


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is captured of the databases of one dialect."""

    dialect: str = ""
    """The dialect whose assistants keep it; "" = the one of the same name."""
    one_session: Literal["", "file", "folder"] = ""
    """A database that is one session, named like the file or its folder."""

    tables: tuple[Table, ...]
    requires: tuple[str, ...] = ()
    """Tables, or `table.column`, that are all in such a database, and not all in any other kind; empty = `tables`."""

    def named(self, table: str) -> Table | None:
        """The map of one table."""
        return next((one for one in self.tables if one.name == table), None)


_FOLDER = Path(__file__).parent


def _read(name: str) -> dict[str, object]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


_REGISTRY = _read("registry.toml")
DIALECTS = msgspec.convert(_REGISTRY.pop("dialects"), dict[str, Dialect])
SOURCES = tuple(
    msgspec.structs.replace(source, name=name) for name, source in msgspec.convert(_REGISTRY, dict[str, Source]).items()
)
BY_NAME = {source.name: source for source in SOURCES}
CANONICAL = {source.dialect: source.name for source in reversed(SOURCES)}
"""The first assistant of each dialect: whose files those are that do not say more."""
PARSERS = {source.name: DIALECTS[source.dialect].parser for source in SOURCES}
DATABASES = msgspec.convert(_read("databases.toml"), dict[str, Database])
"""By dialect."""


def of_document(head: bytes) -> str:
    """The assistant of a JSON document of which only the beginning is known; "" = of no known assistant."""
    for name, dialect in DIALECTS.items():
        if dialect.marks and all(re.search(mark.encode(), head) for mark in dialect.marks):
            return CANONICAL[name]
    return ""


def of_tables(tables: frozenset[str], expected: str = "") -> str:
    """The kind of a database with these tables, and `table.column`s: the expected one if it fits; "" = nobody's."""
    fitting = [
        (name == expected, len(needed), name)
        for name, database in DATABASES.items()
        if (needed := set(database.requires or (one.name for one in database.tables))) <= tables
    ]
    return max(fitting)[2] if fitting else ""
