"""Bodies of the API about what is found and read: hits, sessions, projects. Times ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One content block of a session."""

    exchange_id: str | None
    kind: str
    role: str
    text: str
    tool: str
    tool_input: str
    occurred_at: datetime | None
    position: int | None = None
    """Among the entries of the session, from 0; None outside a page of it."""
    transcript_id: str = ""
    """The file that it stands in: a sub-agent has one of its own."""
    html: str = ""
    """The text as HTML without scripts, where it was asked for."""


class Hit(msgspec.Struct, kw_only=True):
    """One session, or one exchange, and where in it the query was found."""

    session_id: str
    exchange_id: str
    title: str
    """The session's own, else the first line of its first prompt."""
    assistant: str
    project: str
    started_at: datetime | None
    """Of the exchange."""
    score: float
    why: list[str]
    """`words`, `meaning`, `exact`, the strongest first."""
    where: str
    """What the snippet is taken from: prompt, answer, thinking, tool input, tool output, …"""
    tool: str
    snippet: str
    marks: list[tuple[int, int]]
    """Characters [begin, stop) of the snippet that match."""
    transcript_id: str
    generation: int
    offset: int
    """Byte of the transcript at which the line begins."""
    line: int | None
    """Number of that line, from 1; None where the transcript has no lines, or nobody asked."""
    resume: str
    """Command that goes on with the session; empty where its assistant has none."""
    context: list[Entry] = []
    """Entries before and after it, and itself, if they were asked for; long texts are cut."""


class Searched(msgspec.Struct, kw_only=True):
    """Hits, best first."""

    mode: str
    """What answered: `hybrid` (words, meaning and exact matches), `words`, `meaning` or `exact`."""
    note: str
    """Why it is less than was asked for; empty if it is not."""
    hits: list[Hit]
    next: str | None
    """Cursor of the next page."""


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
    resume: str = ""
    """Command that goes on with it; empty where its assistant has none."""


class Sessions(msgspec.Struct, frozen=True):
    """One page of the sessions, the latest first: `total` counts all that match, `next` is the next page's cursor."""

    sessions: list[Session]
    total: int
    next: str | None


class SessionPage(msgspec.Struct, frozen=True):
    """One page of what a session says: `total` counts all entries, `next` and `before` are cursors of other pages."""

    session: Session
    entries: list[Entry]
    total: int
    before: str | None
    next: str | None


class Project(msgspec.Struct, frozen=True):
    """A folder in which assistants worked."""

    project: str
    sessions: int
    exchanges: int
    last_used_at: datetime | None


class Projects(msgspec.Struct, frozen=True):
    """Projects, the latest used first."""

    projects: list[Project]
    total: int
