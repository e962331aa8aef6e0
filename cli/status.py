"""The person's commands about the state of the system: status, dashboard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from archive import retention
from cli.common import EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, data_option, err, json_option, out, plain
from local import endpoints
from local.endpoints import Endpoints
from runtime.clock import SystemClock

STATUS_CODES = {"healthy": 0, "degraded": EX_FALSE, "unhealthy": EX_UNHEALTHY}
COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
MARKS = {"healthy": "●", "degraded": "▲", "unhealthy": "✖"}
WATCH_SECONDS = 1.0
GUARD_SECONDS = 300.0
"""Time between two looks at what Claude Code is about to delete, while watching."""
WIDE = 110
"""Columns of a terminal that has room for a table."""
MOST_ISSUES = 12
"""Sentences that are shown at once while watching: the rest must not push the ledger off the screen."""


class CannotTell(Exception):
    """The text says why."""


@click.command("status")
@click.option("--watch", is_flag=True, help="Keep showing it, until Ctrl-C.")
@data_option
@json_option
def status_command(watch: bool, data: str | None, as_json: bool) -> None:
    """How each stage is, and why."""
    folder = endpoints.data_folder(data)
    if watch and as_json:
        raise click.UsageError("--watch and --json exclude each other; poll `mnemo status --json`")
    if watch:
        _watch(folder)
    try:
        where = running_at(folder)
        answer = _health(where)
    except CannotTell as error:
        if as_json:
            click.echo(msgspec.json.encode({"status": "unknown", "reason": str(error)}).decode())
        err.print(f"cannot tell: {error}", soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        for part in _parts(where, answer):
            out.print(part, soft_wrap=True)
        for line in asyncio.run(_guard_lines(where)):
            out.print(line, soft_wrap=True)
        out.print(_overall(answer))
    sys.exit(STATUS_CODES.get(answer["status"], EX_UNKNOWN))


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
        self.lines: list[str] = []
        self.due = 0.0

    def look(self, where: Endpoints) -> list[str]:
        now = SystemClock().monotonic()
        if now >= self.due:
            self.lines, self.due = asyncio.run(_guard_lines(where)), now + GUARD_SECONDS
        return self.lines


def _screen(folder: Path, guard: _Guard) -> RenderableType:
    """Everything, once."""
    try:
        where = running_at(folder)
        answer = _health(where)
    except CannotTell as error:
        return Text(f"cannot tell: {error}", style="magenta")
    if (more := len(answer["issues"]) - MOST_ISSUES) > 0:
        answer["issues"][MOST_ISSUES:] = [f"and {more} more: `mnemo status`"]
    lines = [_overall(answer), *_parts(where, answer), *(Text.from_markup(line) for line in guard.look(where))]
    return Group(*lines, Text(f"{answer['timestamp']}   Ctrl-C ends", style="dim"))


def running_at(folder: Path) -> Endpoints:
    try:
        return endpoints.read(folder)
    except endpoints.NotRunning as error:
        raise CannotTell(str(error)) from error


def get(where: Endpoints, path: str, **more: Any) -> Any:
    """JSON of the health API, with the token."""
    headers = {"authorization": f"Bearer {where.health_token}"} if where.health_token else {}
    try:
        return httpx.get(
            f"{where.health_url}/v1/autosave/{path}", timeout=5, headers=headers, trust_env=False, **more
        ).json()
    except (httpx.HTTPError, ValueError) as error:
        raise CannotTell("the health service does not answer (yet)") from error


def _health(where: Endpoints) -> dict[str, Any]:
    answer = get(where, "health")
    if not isinstance(answer, dict) or "stages" not in answer:
        raise CannotTell("the health service does not answer (yet)")
    return answer


def _overall(answer: dict[str, Any]) -> Text:
    status = answer["status"]
    return Text(f"overall {MARKS.get(status, '?')} {status}", style=f"bold {COLOURS.get(status, 'magenta')}")


def _parts(where: Endpoints, answer: dict[str, Any]) -> list[RenderableType]:
    lines: list[str] = [f"  ! {escape(plain(issue))}" for issue in answer["issues"]]
    if answer["canary"]["enabled"]:
        lines.append(f"canary  {answer['canary']['status']}: {escape(plain(answer['canary']['cause']))}")
    if "watcher" in answer["stages"]:
        lines += _mode_lines(answer["stages"]["watcher"])
    stages = [_table(answer["stages"])] if out.width >= WIDE else _stage_lines(answer["stages"])
    return [*stages, *(Text.from_markup(line) for line in lines + _ledger_lines(where))]


def _mode_lines(watcher: dict[str, Any]) -> list[str]:
    """How each watcher notices changes."""
    found = []
    for name, one in watcher["instances"].items():
        notes, gauges = one["notes"], one["gauges"]
        if mode := notes.get("mode"):
            reason = f" ({notes['mode_reason']})" if "mode_reason" in notes else ""
            every = (
                f", a sweep every {gauges['sweep_period_seconds']:.0f} s" if "sweep_period_seconds" in gauges else ""
            )
            found.append(escape(plain(f"watch   {name}: {mode}{reason}{every}")))
    return found


def _ledger_lines(where: Endpoints) -> list[str]:
    """The ledger in words: each equality, or its gap."""
    try:
        ledger = get(where, "ledger")
        total, gaps = ledger["total"], ledger["total"]["gaps"]
    except (CannotTell, KeyError):
        return ["[yellow]ledger  not known yet[/]"]
    told = [
        (f"on disk {total['disk_bytes']:,} bytes in {total['files']:,} files", "captured", "uncaptured_bytes"),
        ("captured", "in the log", "unpublished_bytes"),
        (f"in the log {total['log_bytes']:,} bytes", "stored", "unstored_bytes"),
        (f"texts {total['texts']:,}", "embedded", "unembedded_texts"),
    ]
    lines = [
        f"ledger  {left} = {right}"
        if not gaps[gap]
        else f"ledger  {left} ≠ {right}: [yellow]{gaps[gap]:,} missing yet[/]"
        for left, right, gap in told
    ]
    if ledger["absent_backlog_bytes"]:
        lines.append(f"[red]ledger  {ledger['absent_backlog_bytes']:,} bytes of absent files were never read[/]")
    return lines


async def _guard_lines(where: Endpoints) -> list[str]:
    """The retention guard in words; nothing where there is no Claude Code."""
    try:
        database = await asyncpg.connect(where.postgres_dsn, timeout=5, command_timeout=30)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return []
    try:
        found = await retention.guard(database, os.environ, Path.home())
    finally:
        await database.close(timeout=5)
    if found is None:
        return []
    words = escape(f"Claude Code deletes after {found.cleanup_days:.0f} days: {found.words()}")
    return [f"guard   {words}" if found.safe else f"[bold red]guard   {words}[/]"]


def _cells(stage: dict[str, Any]) -> dict[str, str]:
    """The numbers of a stage."""
    lag, age = stage["lag"], stage["heartbeat_age_seconds"]
    return {
        "lag": f"{lag['pending'] + lag['ack_pending']:,} {lag['unit']}",
        "oldest": f"{lag['age_seconds']:.0f} s",
        "rate": f"{lag['rate']:.1f}/s",
        "failures": str(stage["consecutive_failures"]),
        "beat": "never" if age is None else f"{age:.0f} s",
        "instances": str(len(stage["instances"])),
    }


def _marked(status: str) -> str:
    return f"[{COLOURS.get(status, 'magenta')}]{MARKS.get(status, '?')} {status}[/]"


def _table(stages: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    right = ("lag", "oldest", "rate", "failures", "beat", "instances")
    for name in ("stage", "status", "why", *right):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "why")
    for name, stage in stages.items():
        cells = _cells(stage)
        why = escape(plain(stage["cause"]))
        table.add_row(name, _marked(stage["status"]), why, *(cells[column] for column in right))
    return table


def _stage_lines(stages: dict[str, Any]) -> list[RenderableType]:
    """The same where a table has no room: two lines a stage."""
    found: list[RenderableType] = []
    for name, stage in stages.items():
        found.append(Text.from_markup(f"{name:<9}{_marked(stage['status'])}  {escape(plain(stage['cause']))}"))
        numbers = " · ".join(f"{word} {value}" for word, value in _cells(stage).items())
        found.append(Text(f"{'':<9}{numbers}", style="dim"))
    return found


@click.command("dashboard")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@data_option
@json_option
def dashboard_command(show: bool, data: str | None, as_json: bool) -> None:
    """The address of the dashboard, with the token in the part that is never sent."""
    try:
        where = running_at(endpoints.data_folder(data))
    except CannotTell as error:
        if as_json:
            click.echo(msgspec.json.encode({"error": str(error)}).decode())
        err.print(f"cannot tell: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_UNKNOWN)
    url = f"{where.health_url}/autosave" + (f"#token={where.health_token}" if where.health_token else "")
    click.echo(msgspec.json.encode({"url": url}).decode() if as_json else url)
    if show and not webbrowser.open(url):
        err.print("no browser could be opened")
        sys.exit(EX_FALSE)


COMMANDS = (status_command, dashboard_command)
