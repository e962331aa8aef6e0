"""What is asked. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mnemostream.contracts import sources

MODES = ("auto", "words", "meaning", "exact")
ROLES = ("you", "assistant", "tool")
BY = ("session", "exchange")
MOST_CHARS = 1000
"""Of a query; more says nothing more."""
MOST_HITS = 100
MOST_CONTEXT = 20
DEEPEST = 200
"""Hits that can be paged through: what is ranked lower has nothing to do with the query."""


class BadQuestion(Exception):
    """The text says what to ask instead."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A query with its filters; None = any."""

    text: str
    by: str = "session"
    mode: str = "auto"
    limit: int = 20
    offset: int = 0
    project: str | None = None
    """Part of the folder, in any case."""
    assistant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    role: str | None = None
    tool: str | None = None
    """Name of a tool that was used."""
    file: str | None = None
    """Part of a path that a tool was given."""
    session: str | None = None
    lines: bool = False
    """Count the lines of the transcripts up to each hit, which takes a few milliseconds."""
    context: int = 0
    """Entries before and after each hit."""
    without: tuple[str, ...] = ()
    """Sessions that are left out: the one that asks."""

    def __post_init__(self) -> None:
        """Raises BadQuestion."""
        for name, known in (
            ("mode", MODES),
            ("role", ROLES),
            ("by", BY),
            ("assistant", tuple(sorted(sources.PARSERS))),
        ):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise BadQuestion(f"{name} must be one of {', '.join(known)}")
        if not 1 <= self.limit <= MOST_HITS:
            raise BadQuestion(f"limit must be between 1 and {MOST_HITS}")
        if not 0 <= self.context <= MOST_CONTEXT:
            raise BadQuestion(f"context must be between 0 and {MOST_CONTEXT}")
        if not 0 <= self.offset <= DEEPEST:
            raise BadQuestion("invalid cursor")
        if "\0" in "".join(filter(None, (self.text, self.project, self.tool, self.file, self.session))):
            raise BadQuestion("a NUL character cannot be searched for")

    @property
    def filtered(self) -> bool:
        """True if not all exchanges are asked for."""
        filters = (
            self.project,
            self.assistant,
            self.since,
            self.until,
            self.tool,
            self.file,
            self.session,
        )
        return any(value is not None for value in filters)

    @property
    def query(self) -> str:
        """The text without what surrounds it."""
        return self.text.strip()[:MOST_CHARS]

    def cursor(self) -> str:
        """Where the next page begins."""
        return str(self.offset + self.limit)
