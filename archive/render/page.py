"""A session as one HTML file that needs nothing else and loads nothing. Pure but for its stylesheet."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

from mnemostream.archive.render import fragments
from mnemostream.archive.render.markdown import described
from mnemostream.contracts.http.search import Entry, Session

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(session: Session, entries: Iterable[Entry]) -> str:
    """The whole session."""
    title = escape(" ".join(session.title.split()) or "Session")
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in described(session) if value)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{_style()}</style></head>\n"
        f"<body><main><h1>{title}</h1><dl>{facts}</dl>\n{''.join(map(fragments.entry, entries))}</main></body></html>\n"
    )


@cache
def _style() -> str:
    return (files("mnemostream.archive.render") / "static" / "session.css").read_text()
