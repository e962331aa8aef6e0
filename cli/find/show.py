"""`mnemo show` and `mnemo export`: a session, read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from mnemostream.archive import copies, restore, sessions
from mnemostream.archive.render import markdown, page
from mnemostream.archive.render.entries import OUTPUTS, who
from mnemostream.archive.sessions import Wanted
from mnemostream.cli.console import (
    CONTROLS,
    EX_FALSE,
    EX_UNKNOWN,
    Lines,
    data_option,
    err,
    json_option,
    json_text,
    local_time,
    out,
    own_scanner,
    plain,
    print_json,
    reveal_option,
    reveals,
    run,
    worded,
)
from mnemostream.cli.find.formatted import Formatted
from mnemostream.contracts.http.search import Entry, Session
from mnemostream.local import endpoints
from mnemostream.runtime.secrets.mask import masked_value

FOLDED = 6
"""Lines of a tool's output that are shown without --full."""
PRIVATE = 0o600
"""Mode of an exported file: it holds what its transcript held."""


class Whole(msgspec.Struct, frozen=True):
    """A session with all its entries."""

    session: Session
    entries: list[Entry]


@click.command("show", short_help="Show a session.")
@click.argument("session")
@click.option("--full", is_flag=True, help="Show the whole input and output of tools.")
@click.option(
    "--context", "-C", default=0, type=click.IntRange(0, 1000), help="Exchanges before and after the one named."
)
@click.option("--raw", is_flag=True, help="Show Markdown as it is written.")
@reveal_option
@data_option
@json_option
def show_command(session: str, full: bool, context: int, raw: bool, data: str | None, as_json: bool) -> None:
    """Show what was said in a session, and what its tools did.

    SESSION is a session ID or the start of one, an exchange ID (only that exchange, with -C N around it), a transcript
    ID, or a path.
    """
    found = run(_entries(endpoints.data_folder(data), session, context))
    if as_json:
        print_json(found)
    elif sys.stdout.isatty():
        os.environ.setdefault("LESS", "-FRX")  # styles are no garbage, a short session needs no pager
        with out.pager(styles=not os.environ.get("NO_COLOR")):
            _print_entries(found, full, rendered=not raw)
    else:
        _print_entries(found, full, rendered=False)
    sys.exit(0 if found else EX_FALSE)


async def _entries(data: Path, name: str, context: int) -> list[Entry]:
    async with copies.opened(endpoints.read(data).reading()) as opened:
        if holder := await sessions.holding(opened.database, name):
            return await sessions.around_exchange(opened.database, holder, name, context)
        rows = await sessions.files(opened.database, await restore.find(opened, name))
        return await sessions.entries(opened.database, rows)


def _print_entries(found: list[Entry], full: bool, *, rendered: bool) -> None:
    for entry in found:
        when = local_time(entry.occurred_at, "")
        if entry.tool and entry.tool_input:
            shown = entry.tool_input if full else _cut(entry.tool_input, 1)
            out.print(worded("[yellow]{}[/] {}", entry.tool, Lines(shown)), soft_wrap=True)
        elif entry.kind in OUTPUTS:
            shown = entry.text if full else _cut(entry.text, FOLDED)
            out.print(worded("[dim]{}[/]", Lines(shown)), soft_wrap=True)
        elif entry.text:
            out.print(worded("\n[bold]{}[/]  {}", who(entry), when), soft_wrap=True)
            words = Formatted(entry.text) if rendered else worded("{}", Lines(entry.text))
            out.print(words, soft_wrap=not rendered)


def _cut(text: str, lines: int) -> str:
    """The first lines, and how many more there are. Masked before it is cut."""
    shown = plain(Lines(text)).splitlines()
    more = [f"… {len(shown) - lines} more lines (--full)"] if len(shown) > lines else []
    return "\n".join(line[:200] for line in shown[:lines]) + ("\n" + more[0] if more else "")


@click.command("export", short_help="Write a session as Markdown, HTML or JSON.")
@click.argument("session")
@click.option("--md", "form", flag_value="md", default="md", help="Markdown (default).")
@click.option("--html", "form", flag_value="html", help="One HTML file that loads nothing from elsewhere.")
@click.option("--json", "form", flag_value="json", help="JSON.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="File to write; default: standard output.")
@reveal_option
@data_option
def export_command(session: str, form: str, output: str | None, data: str | None) -> None:
    """Write all that was said in a session, and what its tools did.

    SESSION is a session ID or the start of one, a transcript ID, or a path. Secrets are masked without --reveal.
    """
    whole = run(_whole(endpoints.data_folder(data), session))
    text = FORMS[form](whole)
    if output is None:
        shown = plain(Lines(text)) if sys.stdout.isatty() else text
        click.echo(shown, nl=False)
        return
    try:
        with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        err.print(worded("cannot write {}: {}", output, error.strerror), soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    err.print(worded("wrote {} entries to {}", len(whole.entries), output), soft_wrap=True)


async def _whole(data: Path, name: str) -> Whole:
    async with copies.opened(endpoints.read(data).reading()) as opened:
        rows = await sessions.files(opened.database, await restore.find(opened, name))
        known = (await sessions.sessions(opened.database, Wanted(session=rows[0].session_id))).sessions
        row = rows[0]
        unknown = Session(row.source, row.session_id, None, row.full, 0, None, None, "")
        return Whole(known[0] if known else unknown, await sessions.entries(opened.database, rows))


def _shown(whole: Whole) -> Whole:
    """With secrets masked, and without what steers a terminal."""
    value = msgspec.to_builtins(whole)
    value = value if reveals() else masked_value(value, own_scanner())
    return msgspec.convert(_uncontrolled(value), Whole)


def _uncontrolled(value: object) -> object:
    if isinstance(value, str):
        return CONTROLS.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: _uncontrolled(item) for key, item in value.items()}
    return [_uncontrolled(item) for item in value] if isinstance(value, list) else value


def _markdown(whole: Whole) -> str:
    shown = _shown(whole)
    return markdown.document(shown.session, shown.entries)


def _html(whole: Whole) -> str:
    shown = _shown(whole)
    return page.document(shown.session, shown.entries)


FORMS: dict[str, Callable[[Whole], str]] = {
    "md": _markdown,
    "html": _html,
    "json": lambda whole: json_text(whole) + "\n",
}
