"""`mnemo sessions` and `mnemo resume`: from the archive back to the work."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from mnemostream.archive import copies, restore, sessions
from mnemostream.archive.copies import Transcript
from mnemostream.archive.find.times import moment
from mnemostream.archive.sessions import Wanted
from mnemostream.cli.console import (
    EX_FALSE,
    data_option,
    err,
    json_option,
    local_time,
    out,
    print_json,
    reveal_option,
    run,
    shortened,
    worded,
)
from mnemostream.contracts import sources
from mnemostream.contracts.http.search import Session, Sessions
from mnemostream.contracts.reasons import counted
from mnemostream.local import endpoints

TITLE_CHARS = 80


class When(click.ParamType[datetime]):
    """A time: a date, a date with a time, or how long ago (`3d`, `12h`)."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Raises click.BadParameter."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, datetime.now().astimezone())  # noqa: TID251 - a person's day
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("sessions", short_help="List sessions.")
@click.option("--project", help="Only projects whose folder contains this text.")
@click.option("--assistant", type=click.Choice(sorted(sources.PARSERS)), help="Only sessions of this assistant.")
@click.option("--since", type=When(), help="Only sessions used since then: 3d, 12h, 2026-01-31.")
@click.option("--until", type=When(), help="Only sessions begun before then.")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Maximum to list.")
@click.option("--offset", default=0, type=click.IntRange(min=0), help="How many to skip.")
@reveal_option
@data_option
@json_option
def sessions_command(data: str | None, as_json: bool, **wanted: str | int | datetime | None) -> None:
    """List sessions, the latest first."""
    found = run(_sessions(endpoints.data_folder(data), Wanted(**wanted)))  # type: ignore[arg-type]
    if as_json:
        print_json(found)
    for session in [] if as_json else found.sessions:
        _print_session(session)
    if found.next and not as_json:
        out.print(worded("{} of {} sessions; --offset {} goes on", len(found.sessions), found.total, found.next))
    if not found.sessions:
        err.print("no sessions match")
    sys.exit(0 if found.sessions else EX_FALSE)


async def _sessions(data: Path, wanted: Wanted) -> Sessions:
    async with copies.opened(endpoints.read(data).reading()) as opened:
        return await sessions.sessions(opened.database, wanted)


def _print_session(session: Session) -> None:
    when = local_time(session.ended_at)
    title = shortened(session.title, TITLE_CHARS)
    out.print(worded("{}  [bold]{}[/]", when, title or "(untitled)"), soft_wrap=True)
    facts = (session.session_id, session.source, counted(session.exchanges, "exchange"), session.project or "?")
    out.print(worded("    {}  {}  {}  [cyan]{}[/]", *facts), soft_wrap=True)


@click.command("resume", short_help="Print the command that resumes a session.")
@click.argument("session")
@click.option("--exec", "execute", is_flag=True, help="Run it.")
@data_option
@json_option
def resume_command(session: str, execute: bool, data: str | None, as_json: bool) -> None:
    """Print the command that resumes a session in its assistant; restore its transcript first if it was deleted."""
    row, folder = run(_restored(endpoints.data_folder(data), session))
    argv = sessions.command(row.source, row.session_id)
    if not argv:
        err.print(worded("{} cannot resume a session by its ID; its file is {}", row.source, row.full), soft_wrap=True)
        sys.exit(EX_FALSE)
    if as_json:
        print_json({"session_id": row.session_id, "folder": folder, "command": argv})
    elif not execute:
        out.print(worded("{}", sessions.shell(argv, folder)), soft_wrap=True)
    if not execute:
        sys.exit(0)
    try:
        os.chdir(folder or ".")
        os.execvp(argv[0], argv)
    except OSError as error:
        err.print(worded("cannot run {}: {}", argv[0], error.strerror), soft_wrap=True)
        sys.exit(EX_FALSE)


async def _restored(data: Path, session: str) -> tuple[Transcript, str]:
    """The main transcript of a session, on disk again, and the folder in which the assistant last worked."""
    async with copies.opened(endpoints.read(data).reading()) as opened:
        [row, *_] = await restore.find(opened, session)
        if not os.path.exists(row.full) and not os.path.isfile(row.root):  # rows of a database are where they were
            try:
                await restore.of_this_machine(opened, [row])
                await restore.restore(opened, row, Path(row.full))
            except (restore.Damaged, restore.InTheWay, OSError) as error:
                raise copies.Unreachable(f"the transcript was deleted and cannot be restored: {error}") from error
            err.print(worded("restored {}", row.full), soft_wrap=True)
        return row, await sessions.folder(opened.database, row)
