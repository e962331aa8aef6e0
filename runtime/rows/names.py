"""Names: of the row log of a session, and of what is captured as rows."""

from __future__ import annotations

import os
from collections.abc import Set
from urllib.parse import quote

from mnemostream.contracts.sources import Root
from mnemostream.runtime.rows.tables import NO_SESSION
from mnemostream.runtime.rows.values import digest

NONE = "_"
"""Name of the row log of rows of no session."""
MOST_NAME = 180
"""Characters of a file's name."""


def name_of(session: str) -> str:
    """The file of a session.

    >>> name_of(""), name_of("ses_1"), name_of("a/b")
    ('_.jsonl', 'ses_1.jsonl', 'a%2Fb.jsonl')
    """
    if session == NO_SESSION:
        return f"{NONE}.jsonl"
    name = quote(session, safe=" @+=")
    name = name.replace(".", "%2E") if name.startswith(".") else name
    if name == NONE:
        name = "%5F"
    if len(name) > MOST_NAME:
        name = f"{name[:100]}-{digest(session.encode()).hex()}"
    return f"{name}.jsonl"


BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""
AS_ROWS = "captured as rows"
"""Why a database is no file that is not captured."""


def is_of(path: str, databases: Set[str]) -> bool:
    """True for one of these databases, and for what SQLite keeps beside it.

    >>> is_of("/x/a.db-wal", {"/x/a.db"})
    True
    """
    return any(path.removesuffix(end) in databases for end in ("", *BESIDE))


def leaves(root: Root, databases: Set[str], path: str) -> str:
    """As `Root.leaves`, by the path below the root; a database that is captured as rows is told apart (`AS_ROWS`)."""
    why = root.leaves(path)
    return AS_ROWS if why and databases and is_of(os.path.join(root.place, *path.split("/")), databases) else why
