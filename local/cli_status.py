"""The person's commands about the state of the system: status, deadletters, dashboard."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable
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

from local import endpoints, retention
from local.cli_common import EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, data_option, err, json_option, out, plain
from local.endpoints import Endpoints

STATUS_CODES = {"healthy": 0, "degraded": EX_FALSE, "unhealthy": EX_UNHEALTHY}
COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
MARKS = {"healthy": "●", "degraded": "▲", "unhealthy": "✖"}
WATCH_SECONDS = 1.0
RETRY_SECONDS = 70.0
WIDE = 110
"""Columns of a terminal that has room for everything."""


class _CannotTell(Exception):
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
        where = _where(folder)
        answer = _health(where)
    except _CannotTell as error:
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
    guard: list[str] = []
    try:
        with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
            while True:
                shown = _screen(folder, guard)
                if out.is_terminal:
                    live.update(shown, refresh=True)
                else:
                    out.print(shown, soft_wrap=True)
                asyncio.run(asyncio.sleep(WATCH_SECONDS))
    except KeyboardInterrupt:
        sys.exit(0)


def _screen(folder: Path, guard: list[str]) -> RenderableType:
    """Everything, once; `guard` remembers what is looked at only once."""
    try:
        where = _where(folder)
        guard[:] = guard or asyncio.run(_guard_lines(where)) or [""]
        answer = _health(where)
    except _CannotTell as error:
        return Text(f"cannot tell: {error}", style="magenta")
    lines = [_overall(answer), *_parts(where, answer), *(Text.from_markup(line) for line in guard)]
    return Group(*lines, Text(f"{answer['timestamp']}   Ctrl-C ends", style="dim"))


def _where(folder: Path) -> Endpoints:
    try:
        return endpoints.read(folder)
    except endpoints.NotRunning as error:
        raise _CannotTell(str(error)) from error


def _get(where: Endpoints, path: str, **more: Any) -> Any:
    """JSON of the health API, with the token."""
    headers = {"authorization": f"Bearer {where.health_token}"} if where.health_token else {}
    try:
        return httpx.get(
            f"{where.health_url}/v1/autosave/{path}", timeout=5, headers=headers, trust_env=False, **more
        ).json()
    except (httpx.HTTPError, ValueError) as error:
        raise _CannotTell("the health service does not answer (yet)") from error


def _health(where: Endpoints) -> dict[str, Any]:
    answer = _get(where, "health")
    if not isinstance(answer, dict) or "stages" not in answer:
        raise _CannotTell("the health service does not answer (yet)")
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
    return [_table(answer["stages"]), *(Text.from_markup(line) for line in lines + _ledger_lines(where))]


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
        ledger = _get(where, "ledger")
        total, gaps = ledger["total"], ledger["total"]["gaps"]
    except (_CannotTell, KeyError):
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


def _table(stages: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    wide = out.width >= WIDE
    right = ("lag", "oldest", "rate", "failures", "beat", "instances") if wide else ("lag", "failures", "beat")
    for name in ("stage", "status", "why", *right):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "why")
    for name, stage in stages.items():
        lag, age, status = stage["lag"], stage["heartbeat_age_seconds"], stage["status"]
        cells = {
            "lag": f"{lag['pending'] + lag['ack_pending']:,} {lag['unit']}",
            "oldest": f"{lag['age_seconds']:.0f} s",
            "rate": f"{lag['rate']:.1f}/s",
            "failures": str(stage["consecutive_failures"]),
            "beat": "never" if age is None else f"{age:.0f} s",
            "instances": str(len(stage["instances"])),
        }
        colour = COLOURS.get(status, "magenta")
        shown = f"[{colour}]{MARKS.get(status, '?')} {status}[/]"
        table.add_row(name, shown, escape(plain(stage["cause"])), *(cells[column] for column in right))
    return table


@click.command("deadletters")
@click.option("--stage", type=click.Choice(["watcher", "embedder", "writer"]), help="Only those of one stage.")
@click.option("--retry", "wanted", multiple=True, type=int, metavar="N", help="Try the letter N once more; repeatable.")
@click.option("--retry-all", is_flag=True, help="Try all listed letters once more.")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 100), help="Most letters.")
@data_option
@json_option
def deadletters_command(
    stage: str | None, wanted: tuple[int, ...], retry_all: bool, limit: int, data: str | None, as_json: bool
) -> None:
    """Messages that were given up, whole and with the reason; --retry when the reason is gone.

    Exit code 0 if there is none (left), 1 if there are some.
    """
    try:
        where = _where(endpoints.data_folder(data))
        found = _letters(where, stage, limit)
        asked = [letter["sequence"] for letter in found["deadletters"]] if retry_all else list(wanted)
        if asked:
            _retry(where, asked)
            found = _settled(lambda: _letters(where, stage, limit), asked)
    except _CannotTell as error:
        err.print(f"cannot tell: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_UNKNOWN)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for letter in found["deadletters"]:
            head = f"{letter['sequence']:>6}  {letter['at']}  {letter['stage']}  {letter['subject']}"
            out.print(plain(head), markup=False, soft_wrap=True)
            out.print(
                plain(f"        {letter['error']} ({letter['deliveries']} deliveries)"), markup=False, soft_wrap=True
            )
            if letter["retry"]:
                out.print(plain(f"        retry: {letter['retry']}"), markup=False, soft_wrap=True)
        if found["kept"]:
            err.print(f"{found['kept']} kept; `mnemo deadletters --retry N` tries one again", markup=False)
        else:
            err.print("no dead letters")
    sys.exit(EX_FALSE if found["kept"] else 0)


def _letters(where: Endpoints, stage: str | None, limit: int) -> dict[str, Any]:
    found = _get(where, "deadletters", params={"limit": limit, **({"stage": stage} if stage else {})})
    if not isinstance(found, dict) or "deadletters" not in found:
        raise _CannotTell(str(found.get("detail", found)) if isinstance(found, dict) else str(found))
    return found


def _retry(where: Endpoints, asked: list[int]) -> None:
    for sequence in asked:
        url = f"{where.health_url}/v1/autosave/deadletters/{sequence}/retry"
        headers = {"authorization": f"Bearer {where.health_token}"}
        try:
            answer = httpx.post(url, headers=headers, timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            raise _CannotTell("the health service does not answer") from error
        if answer.status_code != 202:
            raise _CannotTell(f"letter {sequence}: {answer.json().get('detail', answer.text)}")


def _settled(look: Callable[[], dict[str, Any]], asked: list[int]) -> dict[str, Any]:
    """The list, as soon as each retry has an outcome."""

    async def waited() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_SECONDS
        while True:
            await asyncio.sleep(1.0)  # the next judgement at the earliest
            found = await asyncio.to_thread(look)
            open_ = [x for x in found["deadletters"] if x["sequence"] in asked and x["retry"] in ("", "pending")]
            if not open_ or loop.time() > deadline:
                return found

    return asyncio.run(waited())


@click.command("dashboard")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@data_option
def dashboard_command(show: bool, data: str | None) -> None:
    """The address of the dashboard, with the token in the part that is never sent."""
    try:
        where = _where(endpoints.data_folder(data))
    except _CannotTell as error:
        err.print(f"cannot tell: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_UNKNOWN)
    url = f"{where.health_url}/autosave" + (f"#token={where.health_token}" if where.health_token else "")
    click.echo(url)
    if show and not webbrowser.open(url):
        err.print("no browser could be opened")
        sys.exit(EX_FALSE)


COMMANDS = (status_command, deadletters_command, dashboard_command)
