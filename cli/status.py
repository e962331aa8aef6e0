"""The person's commands about the state of the system: status, dashboard."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import webbrowser
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from mnemostream.cli.api import CannotTell, health, running_at
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNHEALTHY,
    EX_UNKNOWN,
    data_option,
    err,
    json_option,
    out,
    print_json,
    worded,
)
from mnemostream.cli.edges import watching
from mnemostream.cli.screen import guard_lines, overall, parts
from mnemostream.local import endpoints
from mnemostream.local.edges import joined
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.clock import SystemClock

STATUS_CODES = {"healthy": 0, "degraded": EX_FALSE, "unhealthy": EX_UNHEALTHY}
WATCH_SECONDS = 1.0
GUARD_SECONDS = 300.0
"""Time between two looks at what Claude Code is about to delete, while watching."""
MOST_ISSUES = 12
"""Sentences that are shown at once while watching: the rest must not push the ledger off the screen."""


@click.command("status", short_help="Show the status of each stage.")
@click.option("--watch", is_flag=True, help="Refresh continuously until Ctrl-C.")
@data_option
@json_option
def status_command(watch: bool, data: str | None, as_json: bool) -> None:
    """Show the status of each stage and its cause."""
    folder = endpoints.data_folder(data)
    if watch and as_json:
        raise click.UsageError("--watch and --json cannot be combined; poll `mnemo status --json`")
    if server := joined.read(folder):
        watching.status(folder, server, as_json=as_json)
    if watch:
        _watch(folder)
    try:
        where = running_at(folder)
        answer = health(where)
    except CannotTell as error:
        if as_json:
            print_json({"status": "unknown", "reason": str(error)})
        err.print(worded("status unknown: {}", error), soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    if as_json:
        print_json(answer)
    else:
        for part in parts(where, answer):
            out.print(part, soft_wrap=True)
        for line in asyncio.run(guard_lines(where)):
            out.print(line, soft_wrap=True)
        out.print(overall(answer))
    sys.exit(STATUS_CODES.get(answer.status, EX_UNKNOWN))


def _watch(folder: Path) -> None:
    """Until Ctrl-C, which is the way to end it and no error. Where there is no terminal, one block after the other."""
    guard = _Guard()
    ended = threading.Event()
    # A handler of our own: the default one raises inside one of many short event loops, which may lose it.
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    try:
        with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
            while not ended.is_set():
                shown = _screen(folder, guard)
                if out.is_terminal:
                    live.update(shown, refresh=True)
                else:
                    out.print(shown, soft_wrap=True)
                ended.wait(WATCH_SECONDS)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(0)


class _Guard:
    """The retention guard, which reads many files: looked at now and then."""

    def __init__(self) -> None:
        self.lines: list[Text] = []
        self.due = 0.0

    def look(self, where: Endpoints) -> list[Text]:
        now = SystemClock().monotonic()
        if now >= self.due:
            self.lines, self.due = asyncio.run(guard_lines(where)), now + GUARD_SECONDS
        return self.lines


def _screen(folder: Path, guard: _Guard) -> RenderableType:
    """Everything, once."""
    try:
        where = running_at(folder)
        answer = health(where)
    except CannotTell as error:
        return worded("[magenta]status unknown: {}[/]", error)
    if (more := len(answer.issues) - MOST_ISSUES) > 0:
        answer.issues[MOST_ISSUES:] = [f"and {more} more; see `mnemo status`"]
    lines = [overall(answer), *parts(where, answer), *guard.look(where)]
    return Group(*lines, worded("[dim]{}   Ctrl-C to quit[/]", answer.timestamp))


@click.command("dashboard", short_help="Print the dashboard URL.")
@click.option("--open", "show", is_flag=True, help="Open the dashboard in the browser.")
@data_option
@json_option
def dashboard_command(show: bool, data: str | None, as_json: bool) -> None:
    """Print the URL of the page to search and read; the status is one click away.

    It contains the token after `#`, which browsers do not send.
    """
    try:
        where = running_at(endpoints.data_folder(data))
    except CannotTell as error:
        if as_json:
            print_json({"error": str(error)})
        err.print(worded("cannot find the dashboard: {}", error), soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    url = f"{where.health_url}/" + (f"#token={where.health_token}" if where.health_token else "")
    if as_json:
        print_json({"url": url}, secret=True)
    else:
        click.echo(url)
    if show and not webbrowser.open(url):
        err.print("could not open a browser")
        sys.exit(EX_FALSE)


COMMANDS = (status_command, dashboard_command)
