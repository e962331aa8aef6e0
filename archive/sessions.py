"""Sessions: a list of them, what one of them says, and how to go on with it."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

import msgspec

from archive import queries
from archive.copies import Archive, Transcript
from runtime.secrets.mask import without_halves

RESUME = {
    "claude-code": ("claude", "--resume"),
    "codex": ("codex", "resume"),
    "copilot": ("copilot", "--resume"),
    "gemini": ("gemini", "--resume"),
    "opencode": ("opencode", "--session"),
}
"""How each assistant goes on with a session; the last argument is its ID."""
PROMPT_CHARS = 2000
"""Characters of a first prompt in sessions.sql."""


class Session(msgspec.Struct, frozen=True):
    """One session. `title` is its own, else the first line of its first prompt."""

    source: str
    session_id: str
    project: str | None
    file: str | None
    exchanges: int
    started_at: datetime | None
    ended_at: datetime | None
    title: str


class Entry(msgspec.Struct, frozen=True):
    """One content block of a session."""

    exchange_id: str | None
    kind: str
    role: str
    text: str
    tool: str
    tool_input: str
    occurred_at: datetime | None


class Wanted(msgspec.Struct, frozen=True):
    """Which sessions; None = any."""

    assistant: str | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20


async def sessions(archive: Archive, wanted: Wanted) -> list[Session]:
    """Sessions, the latest first."""
    args = (wanted.assistant, wanted.project, wanted.since, wanted.until, wanted.limit)
    rows = await archive.database.fetch(queries.read("sessions"), *args)
    return [_session(dict(row)) for row in rows]


def _session(row: dict[str, Any]) -> Session:
    prompt = row.pop("first_prompt") or ""
    first = without_halves(prompt, end=len(prompt) >= PROMPT_CHARS).strip().partition("\n")[0]
    return Session(**{**row, "title": row["title"] or first})


async def folder(archive: Archive, row: Transcript) -> str:
    """The folder in which the assistant worked last; "" if it is not known."""
    return await archive.database.fetchval(queries.read("last_folder"), row.transcript_id) or ""


async def entries(archive: Archive, row: Transcript) -> list[Entry]:
    """All that one transcript says, in its order."""
    rows = await archive.database.fetch(queries.read("session_records"), row.transcript_id)
    return [Entry(**dict(found)) for found in rows]


def command(source: str, session: str) -> list[str]:
    """The command that goes on with a session; [] where the assistant has none."""
    return [*RESUME[source], session] if source in RESUME else []


def shell(argv: list[str], folder: str) -> str:
    """The command for a shell, from the session's folder.

    >>> shell(["claude", "--resume", "1b2c"], "/home/me/my work")
    "cd '/home/me/my work' && claude --resume 1b2c"
    """
    return (f"cd {shlex.quote(folder)} && " if folder else "") + shlex.join(argv)
