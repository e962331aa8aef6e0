"""A session as one Markdown document (CommonMark with tables). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from mnemostream.archive.render.entries import OUTPUTS, who
from mnemostream.contracts.http.search import Entry, Session

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)
TICKS = re.compile("`+")


def document(session: Session, entries: Iterable[Entry]) -> str:
    """The whole session."""
    facts = [f"{name}: {value}" for name, value in described(session) if value]
    head = [f"# {_line(session.title) or 'Session'}", "\n".join(f"- {_line(fact)}" for fact in facts)]
    return "\n\n".join([*head, *_parts(entries)]) + "\n"


def described(session: Session) -> list[tuple[str, str]]:
    """Facts above a session, with their names."""
    return [
        ("Session", session.session_id),
        ("Assistant", session.source),
        ("Project", session.project or ""),
        ("Begun", moment(session.started_at)),
        ("Last used", moment(session.ended_at)),
        ("File", session.file or ""),
    ]


def moment(at: datetime | None) -> str:
    """A time as UTC, to the minute; "" where it is not known."""
    return at.strftime("%Y-%m-%d %H:%M UTC") if at else ""


def fenced(text: str, language: str = "") -> str:
    """A code block that the text cannot end.

    >>> fenced("a", "sh")
    '```sh\\na\\n```'
    """
    longest = max((len(ticks) for ticks in TICKS.findall(text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def closed(text: str) -> str:
    """A text whose last code block ends with it, so that what follows is not in it.

    >>> closed("```sh\\nls")
    '```sh\\nls\\n```'
    """
    opened = ""
    for match in FENCE.finditer(text):
        ticks, rest = match[1], match[2]
        if not opened:
            opened = "" if ticks[0] == "`" and "`" in rest else ticks
        elif ticks[0] == opened[0] and len(ticks) >= len(opened) and not rest.strip():
            opened = ""
    return f"{text.rstrip()}\n{opened}" if opened else text.rstrip()


def _line(text: str) -> str:
    return " ".join(text.split())


def _parts(entries: Iterable[Entry]) -> Iterator[str]:
    speaker = ""
    for entry in entries:
        if entry.tool_input:
            speaker = ""
            yield f"**{_line(entry.tool) or 'Tool'}**\n\n{fenced(entry.tool_input)}"
        if not entry.text:
            continue
        if entry.kind in OUTPUTS:
            yield fenced(entry.text)
            continue
        if who(entry) != speaker:
            speaker = who(entry)
            when = f" · {moment(entry.occurred_at)}" if entry.occurred_at else ""
            yield f"## {speaker.capitalize()}{when}"
        text = closed(entry.text)
        yield "\n".join(f"> {line}".rstrip() for line in text.splitlines()) if entry.kind == "thinking" else text
