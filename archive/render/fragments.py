"""One entry of a session as HTML. Pure."""

from __future__ import annotations

from html import escape

from mnemostream.archive.render import markup
from mnemostream.archive.render.entries import OUTPUTS, who
from mnemostream.archive.render.markdown import moment
from mnemostream.contracts.http.search import Entry


def text(entry: Entry) -> str:
    """Its text: what a program printed as it is, all else as Markdown."""
    return markup.literal(entry.text) if entry.kind in OUTPUTS else markup.html(entry.text)


def entry(entry: Entry) -> str:
    """One entry; tools are folded, with what they were given and what they said."""
    when = f" <time>{moment(entry.occurred_at)}</time>" if entry.occurred_at else ""
    given = markup.literal(entry.tool_input) if entry.tool_input else ""
    if entry.kind in OUTPUTS or given:
        name = escape(entry.tool) if given else "output"
        said = text(entry) if entry.text else ""
        return f"<details><summary>{name}{when}</summary>{given}{said}</details>\n" if given or said else ""
    if not entry.text:
        return ""
    if entry.kind == "thinking":
        return f"<details><summary>thinking{when}</summary>{text(entry)}</details>\n"
    side = "you" if who(entry) == "you" else "other"
    return f'<section class="{side}"><h2>{escape(who(entry))}{when}</h2>{text(entry)}</section>\n'
