"""Sessions: a list of them, what one of them says, and how to go on with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from mnemostream.archive import queries
from mnemostream.archive.copies import Transcript
from mnemostream.contracts import sources
from mnemostream.contracts.http.search import Entry, Project, Projects, Session, SessionPage, Sessions
from mnemostream.runtime.secrets.mask import without_halves

PROMPT_CHARS = 2000
"""Characters of a first prompt in sessions.sql."""


PAGE_CHARS = 2_000_000
"""Most characters of one page of a session."""


class Wanted(msgspec.Struct, frozen=True):
    """Which sessions; None = any."""

    assistant: str | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    offset: int = 0
    session: str | None = None


async def sessions(database: Any, wanted: Wanted) -> Sessions:
    """One page of the sessions, the latest first. `database` is a connection or a pool."""
    args = (wanted.assistant, wanted.project, wanted.since, wanted.until, wanted.limit, wanted.offset, wanted.session)
    rows = [dict(row) for row in await database.fetch(queries.read("sessions"), *args)]
    total = rows[0]["total"] if rows else 0
    end = wanted.offset + len(rows)
    return Sessions([_session(row) for row in rows], total, str(end) if end < total else None)


async def page(database: Any, session: str, limit: int, offset: int, around: str | None = None) -> SessionPage | None:
    """One page of what a session says, from an offset or, if it is there, from an exchange on; None if there is no such
    session."""
    found = (await sessions(database, Wanted(session=session))).sessions
    if not found:
        return None
    rows = await database.fetch(queries.read("session_page"), session, offset, limit, PAGE_CHARS, around)
    listed = [Entry(**{name: value for name, value in row.items() if name != "total"}) for row in rows]
    total, first = (rows[0]["total"], rows[0]["position"]) if rows else (0, offset)
    end = first + len(rows)
    following = str(end) if rows and end < total else None
    return SessionPage(found[0], listed, total, str(max(0, first - limit)) if first else None, following)


async def projects(database: Any, limit: int) -> Projects:
    """Projects, the latest used first."""
    rows = await database.fetch(queries.read("projects"), limit)
    found = [Project(*(row[name] for name in Project.__struct_fields__)) for row in rows]
    return Projects(found, rows[0]["total"] if rows else 0)


def _session(row: dict[str, Any]) -> Session:
    prompt = row.pop("first_prompt") or ""
    row.pop("total")
    first = without_halves(prompt, end=len(prompt) >= PROMPT_CHARS).strip().partition("\n")[0]
    argv = command(row["source"], row["session_id"])
    resume = shell(argv, row["project"] or "") if argv else ""
    return Session(**{**row, "title": row["title"] or first}, resume=resume)


async def folder(database: Any, row: Transcript) -> str:
    """The folder in which the assistant worked last; "" if it is not known."""
    return await database.fetchval(queries.read("last_folder"), row.transcript_id) or ""


async def entries(database: Any, rows: Sequence[Transcript]) -> list[Entry]:
    """All that transcripts say, one after the other."""
    found = await database.fetch(queries.read("session_records"), [row.transcript_id for row in rows])
    return [Entry(**dict(row), position=number) for number, row in enumerate(found)]


async def holding(database: Any, exchange: str) -> str | None:
    """The session of an exchange; None if there is no such exchange."""
    return await database.fetchval(queries.read("session_of"), exchange)  # type: ignore[no-any-return]


async def files(database: Any, rows: Sequence[Transcript]) -> list[Transcript]:
    """Of what a name matches, one main transcript and the sub-agents': another host may hold the same session, or
    another store of the assistant. The richer one says more."""
    main = [row for row in rows if not row.subagent]
    if len(main) > 1:
        found = await database.fetch(queries.read("richest"), [row.transcript_id for row in main])
        records = {row["transcript_id"]: row["records"] for row in found}
        main.sort(key=lambda row: -records.get(row.transcript_id, 0))
    return [*main[:1], *(row for row in rows if row.subagent)] or list(rows[:1])


async def around_exchange(database: Any, session: str, exchange: str, context: int) -> list[Entry]:
    """The entries of one exchange, and of `context` exchanges before and after it."""
    rows = await database.fetch(queries.read("session_exchange"), session, exchange, context)
    return [Entry(**dict(row)) for row in rows]


def command(source: str, session: str) -> list[str]:
    """The command that goes on with a session; [] where the assistant has none."""
    assistant = sources.BY_NAME.get(source)
    return [*assistant.resume, session] if assistant and assistant.resume else []


def shell(argv: list[str], folder: str) -> str:
    """The command for a shell, from the session's folder.

    >>> shell(["claude", "--resume", "1b2c"], "/home/me/my work")
    "cd '/home/me/my work' && claude --resume 1b2c"
    """
    return (f"cd {shlex.quote(folder)} && " if folder else "") + shlex.join(argv)
