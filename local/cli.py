"""`mnemo`: the person's commands.

Exit codes: 0 healthy or true · 1 degraded or false · 2 unhealthy · 3 cannot tell · 64 bad usage.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx
import msgspec
from rich.table import Table

from contracts import sources
from local import cli_archive, endpoints, progress, retention, system
from local.cli_common import EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, EX_USAGE, data_option, err, json_option, out
from local.search import CannotSearch, search
from runtime.files import walk
from runtime.heartbeat import service_version

STATUS_CODES = {"healthy": 0, "degraded": EX_FALSE, "unhealthy": EX_UNHEALTHY}
COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "projects"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(service_version(), prog_name="mnemo")
def cli() -> None:
    """Saves every byte of AI assistant transcripts, makes them searchable by meaning, and can prove it."""


@cli.command()
@data_option
@click.option("--source", "given", multiple=True, help="FOLDER or ASSISTANT=FOLDER with transcripts; repeatable.")
@click.option("--embedders", default=1, show_default=True, type=click.IntRange(1, 64), help="Embedder processes.")
@click.option("--once", is_flag=True, help="Exit 0 when all on disk is captured, stored and embedded.")
@click.option("--nats-port", default=system.NATS_PORT, show_default=True, help="0 = any free port.")
@click.option("--health-port", default=system.HEALTH_PORT, show_default=True, help="0 = any free port.")
@click.option("--postgres-port", default=system.POSTGRES_PORT, show_default=True, help="0 = any free port.")
def up(data: str | None, given: tuple[str, ...], embedders: int, once: bool, **ports: int) -> None:
    """Run everything here: NATS, PostgreSQL and the four services, without Docker."""
    roots = [sources.parse(text) for text in given]
    for root in roots:
        if not Path(root.folder).is_dir():
            raise click.UsageError(f"--source {root}: no such folder")
    roots = [msgspec.structs.replace(r, folder=str(Path(r.folder).resolve())) for r in roots] or _default_roots()
    quick = {
        "MNEMO_HEARTBEAT_SECONDS": "1",
        "MNEMO_HEALTH_PROBE_SECONDS": "1",
        "MNEMO_HEALTH_FIGURES_SECONDS": "3",
    }
    plan = system.Plan(
        data=endpoints.data_folder(data),
        roots=roots,
        embedders=embedders,
        settings=quick if once else {},
        **ports,
    )
    try:
        sys.exit(asyncio.run(_up(plan, once)))
    except (system.Busy, RuntimeError, OSError) as error:
        err.print(f"[red]cannot start:[/] {error}", soft_wrap=True)
        sys.exit(EX_UNHEALTHY)


def _default_roots() -> list[sources.Root]:
    """None, which means the default folders of all assistants, if one holds a transcript; else the examples."""
    if any(next(walk(root.folder, root.owns, []), None) for root in sources.defaults(os.environ, Path.home())):
        return []
    err.print(f"no transcripts of any assistant found: running on the bundled examples ({EXAMPLES})", soft_wrap=True)
    return [sources.Root(str(EXAMPLES))]


async def _up(plan: system.Plan, once: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def say(text: str) -> None:
        err.print(text, soft_wrap=True, markup=False)

    folders = ", ".join(map(str, plan.roots)) or "the folders of all known assistants"
    say(f"data in {plan.data}; transcripts from {folders}")
    async with system.running(plan, say) as running:
        say(f"health   {running.endpoints.health_url}/v1/autosave/health   (or `mnemo status`)")
        say('search   mnemo search "…"      stop with Ctrl-C')
        reason = await progress.follow(running, err, stop, once=once)
        async with httpx.AsyncClient(timeout=5) as client:
            figures = await progress.look(client, running.endpoints.health_url)
        say("stopping …")
    if reason:
        err.print(f"[red]not done:[/] {reason}", soft_wrap=True)
        return EX_FALSE
    if once:
        size = f"{figures.captured / 1e6:.1f} MB"
        say(f"done: {figures.files} files, {size} captured and stored, every text embedded")
    return 0


@cli.command()
@data_option
@json_option
def status(data: str | None, as_json: bool) -> None:
    """How each stage is, and why."""
    try:
        url = endpoints.read(endpoints.data_folder(data)).health_url
        answer = httpx.get(f"{url}/v1/autosave/health", timeout=5).json()
        stages = answer["stages"]
    except (endpoints.NotRunning, httpx.HTTPError, ValueError, KeyError) as error:
        reason = str(error) if isinstance(error, endpoints.NotRunning) else "the health service does not answer (yet)"
        if as_json:
            click.echo(msgspec.json.encode({"status": "unknown", "reason": reason}).decode())
        err.print(f"cannot tell: {reason}", soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        out.print(_table(stages))
        for issue in answer["issues"]:
            out.print(f"  ! {issue}", markup=False, soft_wrap=True)
        for line in _mode_lines(stages["watcher"]):
            out.print(line, markup=False, soft_wrap=True)
        for line in _ledger_lines(url) + asyncio.run(_guard_lines(data)):
            out.print(line, soft_wrap=True)
        colour = COLOURS.get(answer["status"], "magenta")
        out.print(f"overall [{colour}]{answer['status']}[/]")
    sys.exit(STATUS_CODES.get(answer["status"], EX_UNKNOWN))


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
            found.append(f"watch   {name}: {mode}{reason}{every}")
    return found


def _ledger_lines(url: str) -> list[str]:
    """The ledger in words: each equality, or its gap."""
    try:
        ledger = httpx.get(f"{url}/v1/autosave/ledger", timeout=5).json()
        total, gaps = ledger["total"], ledger["total"]["gaps"]
    except (httpx.HTTPError, ValueError, KeyError):
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


async def _guard_lines(data: str | None) -> list[str]:
    """The retention guard in words; nothing where there is no Claude Code."""
    try:
        where = endpoints.read(endpoints.data_folder(data))
        database = await asyncpg.connect(where.postgres_dsn, timeout=5, command_timeout=30)
    except (endpoints.NotRunning, OSError, TimeoutError, asyncpg.PostgresError):
        return []
    try:
        found = await retention.guard(database, os.environ, Path.home())
    finally:
        await database.close(timeout=5)
    if found is None:
        return []
    words = f"Claude Code deletes after {found.cleanup_days:.0f} days: {found.words()}"
    return [f"guard   {words}" if found.safe else f"[bold red]guard   {words}[/]"]


def _table(stages: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "status", "why", "lag", "failures", "beat", "instances"):
        table.add_column(name, justify="right" if name in ("lag", "failures", "beat", "instances") else "left")
    for name, stage in stages.items():
        lag, age = stage["lag"], stage["heartbeat_age_seconds"]
        waiting = lag["pending"] + lag["ack_pending"]
        table.add_row(
            name,
            f"[{COLOURS.get(stage['status'], 'magenta')}]{stage['status']}[/]",
            stage["cause"],
            f"{waiting} {lag['unit']}",
            str(stage["consecutive_failures"]),
            "never" if age is None else f"{age:.0f} s",
            str(len(stage["instances"])),
        )
    return table


@cli.command("search")
@click.argument("text")
@click.option("--limit", "-n", default=5, show_default=True, type=click.IntRange(1, 100), help="Most results.")
@data_option
@json_option
def search_command(text: str, limit: int, data: str | None, as_json: bool) -> None:
    """The exchanges nearest in meaning to TEXT."""
    try:
        found = asyncio.run(search(endpoints.read(endpoints.data_folder(data)), text, limit))
    except (endpoints.NotRunning, CannotSearch) as error:
        err.print(f"cannot search: {error}", soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for hit in found:
            when = hit["started_at"].strftime("%Y-%m-%d %H:%M") if isinstance(hit["started_at"], datetime) else "?"
            out.print(f"[bold]{hit['similarity']:.2f}[/]  {when}  [cyan]{hit['project'] or '?'}[/]")
            out.print(f"      session {hit['session_id']}", markup=False, soft_wrap=True)
            out.print(f"      asked: {_short(hit['prompt'])}", markup=False, soft_wrap=True)
            out.print(f"      found: {_short(hit['snippet'])}\n", markup=False, soft_wrap=True)
    if not found:
        err.print("nothing found: is anything embedded yet? see `mnemo status`")
    sys.exit(0 if found else EX_FALSE)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:159]}…"


for command in cli_archive.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point; bad usage leaves with 64 (EX_USAGE of sysexits.h)."""
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    try:
        cli(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(EX_USAGE)
    except click.exceptions.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
