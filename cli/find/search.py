"""`mnemo search`: from words to the session that holds them."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

import click
from rich.text import Text

from mnemostream.archive.find.answer import CannotSearch, Hit, Searched
from mnemostream.archive.find.finder import opened
from mnemostream.archive.find.question import BY, MODES, MOST_CONTEXT, MOST_HITS, ROLES, BadQuestion, Question
from mnemostream.archive.render.entries import who
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNKNOWN,
    data_option,
    err,
    failed,
    json_option,
    local_time,
    out,
    own_scanner,
    print_json,
    reveal_option,
    reveals,
    shortened,
    worded,
)
from mnemostream.cli.find.sessions import TITLE_CHARS, When
from mnemostream.contracts import sources
from mnemostream.local import endpoints

MARK = "bold yellow"
CONTEXT_CHARS = 300


@click.command("search", short_help="Search everything that was said and done.")
@click.argument("text")
@click.option("--project", help="Only projects whose folder contains this text.")
@click.option("--assistant", type=click.Choice(sorted(sources.PARSERS)), help="Only this assistant.")
@click.option("--since", type=When(), help="Only exchanges since then: 3d, 12h, 2026-01-31.")
@click.option("--until", type=When(), help="Only exchanges begun before then.")
@click.option("--role", type=click.Choice(ROLES), help="Only what you, the assistant or its tools wrote.")
@click.option("--tool", help="Only exchanges in which this tool was used, for example Bash.")
@click.option("--file", help="Only exchanges in which a tool was given this path, or a part of it.")
@click.option("--session", help="Only this session (its ID or the start of it).")
@click.option("--by", type=click.Choice(BY), default="session", show_default=True, help="What a result is.")
@click.option("--mode", type=click.Choice(MODES), default="auto", show_default=True, help="How to search.")
@click.option(
    "--context", "-C", default=0, type=click.IntRange(0, MOST_CONTEXT), help="Entries before and after each hit."
)
@click.option("--limit", "-n", default=5, show_default=True, type=click.IntRange(1, MOST_HITS), help="Maximum results.")
@click.option("--cursor", type=click.IntRange(min=0), default=0, help="Where to go on: `next` of the page before.")
@reveal_option
@data_option
@json_option
def search_command(data: str | None, as_json: bool, cursor: int, **asked: str | int | datetime | None) -> None:
    """Search by words, by meaning and for exact text, all at once.

    Words answer without an embedder, and as soon as a line is saved. Exit code 0 if anything was found, 1 if not.
    """
    mask = None if reveals() else own_scanner()
    try:
        question = Question(**asked, offset=cursor, lines=True)  # type: ignore[arg-type]
        found = asyncio.run(_search(endpoints.data_folder(data), question, mask))
    except BadQuestion as error:
        raise click.UsageError(str(error)) from error
    except (endpoints.NotRunning, CannotSearch) as error:
        failed("cannot search", error)
        sys.exit(EX_UNKNOWN)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found.note:
        err.print(worded("[yellow]{}[/]", found.note), soft_wrap=True)
    if not found.hits:
        err.print("no results")
    sys.exit(0 if found.hits else EX_FALSE)


async def _search(data: Path, question: Question, mask: object) -> Searched:
    async with opened(endpoints.read(data).reading()) as finder:
        return await finder.search(question, mask)  # type: ignore[arg-type]


def _print(found: Searched) -> None:
    for hit in found.hits:
        _print_hit(hit)
    if found.next:
        out.print(worded("more: --cursor {}", found.next))


def _print_hit(hit: Hit) -> None:
    when = local_time(hit.started_at)
    out.print(worded("[bold]{}[/]", shortened(hit.title, TITLE_CHARS) or "(untitled)"), soft_wrap=True)
    facts = (when, hit.assistant, hit.project or "?", ", ".join(hit.why))
    out.print(worded("  {}  {}  [cyan]{}[/]  [dim]{}[/]", *facts), soft_wrap=True)
    where = f"{hit.where} ({hit.tool})" if hit.tool else hit.where
    line = f", line {hit.line}" if hit.line else ""
    out.print(worded("  {}{}: ", where, line), end="")
    found = marked(hit)
    out.print(found, soft_wrap=True)
    for entry in hit.context:
        said = f"{entry.tool} {entry.tool_input} {entry.text}" if entry.tool_input else entry.text
        out.print(worded("    [dim]{}:[/] {}", who(entry), shortened(said, CONTEXT_CHARS)), soft_wrap=True)
    go_on = hit.resume or f"mnemo show {hit.session_id}"
    out.print(worded("  session {}  [dim]{}[/]", hit.session_id, go_on), soft_wrap=True)
    out.print(worded("  exchange {}\n", hit.exchange_id), soft_wrap=True)


def marked(hit: Hit) -> Text:
    """The snippet with its matches."""
    shown = worded("{}", hit.snippet)
    for begin, stop in hit.marks if shown.plain == hit.snippet else []:  # else something in it was replaced
        shown.stylize(MARK, begin, stop)
    return shown
