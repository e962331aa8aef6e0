"""The status as people see it: stages, issues, ledger, what Claude Code is about to delete."""

from __future__ import annotations

import os

import asyncpg
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mnemostream.archive import retention
from mnemostream.cli.api import CannotTell, get
from mnemostream.cli.console import out, worded
from mnemostream.cli.manual.hints import hinted
from mnemostream.contracts import sources
from mnemostream.contracts.http.health import Health, Ledger, StageHealth
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.process.home import home

COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
MARKS = {"healthy": "●", "degraded": "▲", "unhealthy": "✖"}
WIDE = 110
"""Columns of a terminal that has room for a table."""


def overall(answer: Health) -> Text:
    status = answer.status
    return worded(f"[bold {_colour(status)}]overall {{}}[/]", _marked(status).plain)


def parts(where: Endpoints, answer: Health) -> list[RenderableType]:
    lines = [hinted(worded("  ! {}", issue)) for issue in answer.issues]
    for name, stage in answer.stages.items():
        lines += [hinted(worded("  → {}: {}", name, stage.next_step))] if stage.next_step else []
    if answer.canary.enabled:
        lines.append(worded("canary  {0.status}: {0.cause}", answer.canary))
    if "watcher" in answer.stages:
        lines += _mode_lines(answer.stages["watcher"])
    stages = [_table(answer.stages)] if out.is_terminal and out.width >= WIDE else _stage_lines(answer.stages)
    return [*stages, *lines, *_ledger_lines(where)]


def _mode_lines(watcher: StageHealth) -> list[Text]:
    """How each watcher learns of changes, and how each edge is."""
    lines = []
    for name, instance in watcher.instances.items():
        vitals = instance.vitals
        if isinstance(vitals, WatcherVitals) and vitals.edge:
            heard = f"heard {instance.heartbeat_age_seconds:.0f} s ago"
            heard = "said goodbye" if instance.phase == "stopped" else heard
            waits = "unknown" if vitals.backlog_bytes is None else f"{vitals.backlog_bytes:,}"
            files = counted(vitals.files or 0, "file")
            lines.append(worded("edge    {}: {}, {}, {} bytes to be shipped", name, heard, files, waits))
            continue
        if isinstance(vitals, WatcherVitals) and vitals.mode:
            reason = f" ({vitals.mode_reason})" if vitals.mode_reason else ""
            every = f", a sweep every {vitals.sweep_period_seconds:.0f} s" if vitals.sweep_period_seconds else ""
            lines.append(worded("watch   {}: {}{}{}", name, vitals.mode, reason, every))
    return lines


def _ledger_lines(where: Endpoints) -> list[Text]:
    """The ledger in words: each equality, or its gap."""
    try:
        ledger = get(where, "ledger", Ledger)
    except CannotTell:
        return [worded("[yellow]ledger  not known yet[/]")]
    if ledger.missing_folders:
        return [worded("[yellow]ledger  a watched folder is missing: what is on disk cannot be told[/]")]
    if ledger.balanced is None:
        return [worded("[yellow]ledger  counting …[/]")]
    total = ledger.total
    equalities = [
        (
            f"on disk {counted(total.disk_bytes, 'byte')} in {counted(total.files, 'file')}",
            "captured",
            "uncaptured_bytes",
        ),
        ("captured", "in the log", "unpublished_bytes"),
        (f"in the log {counted(total.log_bytes, 'byte')}", "stored", "unstored_bytes"),
        (f"texts {total.texts:,}", "embedded", "unembedded_texts"),
    ]
    if (beyond := total.log_bytes - total.disk_bytes) > 0 and not total.gaps.get("uncaptured_bytes"):
        kept = f"{counted(beyond, 'byte')} of transcripts that are no longer there, or not watched"
        equalities[2] = (f"in the log {counted(total.log_bytes, 'byte')}, with {kept}", *equalities[2][1:])
    lines = [
        worded("ledger  {} ≠ {}: [yellow]{:,} still missing[/]", left, right, total.gaps[gap])
        if total.gaps.get(gap)
        else worded("ledger  {} = {}", left, right)
        for left, right, gap in equalities
    ]
    if ledger.uncaptured:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in ledger.uncaptured.items())
        there = worded(
            "ledger  {} there = {:,} captured + {}", counted(ledger.there_files or 0, "file"), total.files, reasons
        )
        lines = [there, worded("        not captured: {}", ledger.uncaptured_names), *lines]
    if ledger.left_out_rows:
        tables = ", ".join(f"{name} {rows:,}" for name, rows in ledger.left_out_tables.items())
        words = "        left out of databases: about {:,} rows ({})"
        lines.append(worded(words, ledger.left_out_rows, tables))
    if ledger.absent_backlog_bytes:
        words = "[red]ledger  never read of deleted files: {}[/]"
        lines.append(worded(words, counted(ledger.absent_backlog_bytes, "byte")))
    return lines


async def guard_lines(where: Endpoints) -> list[Text]:
    """The retention guard in words; nothing where no assistant deletes by age."""
    try:
        database = await asyncpg.connect(where.reading().postgres_dsn, timeout=5, command_timeout=30)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return []
    try:
        guards = await retention.guards(database, os.environ, home())
    finally:
        await database.close(timeout=5)
    words = "guard   {} deletes after {:.0f} days: {}"
    return [
        worded(
            words if guard.safe else f"[bold red]{words}[/]",
            sources.BY_NAME[guard.source].title,
            guard.cleanup_days,
            guard.summary(),
        )
        for guard in guards
    ]


def _cells(stage: StageHealth) -> dict[str, str]:
    """The numbers of a stage."""
    lag, age = stage.lag, stage.heartbeat_age_seconds
    return {
        "lag": "unknown" if lag.pending is None else f"{lag.pending + lag.ack_pending:,} {lag.unit}",
        "oldest": f"{lag.age_seconds:.0f} s",
        "rate": f"{lag.rate:.1f}/s",
        "failures": str(stage.consecutive_failures),
        "heartbeat": "never" if age is None else f"{age:.0f} s ago",
        "instances": f"{stage.beating} of {stage.desired}",
    }


def _colour(status: str) -> str:
    return COLOURS.get(status, "magenta")


def _marked(status: str) -> Text:
    return Text(f"{MARKS.get(status, '?')} {status}", style=_colour(status))


def _table(stages: dict[str, StageHealth]) -> Table:
    table = Table(box=None, pad_edge=False)
    right = ("lag", "oldest", "rate", "failures", "heartbeat", "instances")
    for name in ("stage", "status", "cause", *right):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "cause")
    for name, stage in stages.items():
        cells = _cells(stage)
        table.add_row(name, _marked(stage.status), worded("{}", stage.cause), *(cells[column] for column in right))
    return table


def _stage_lines(stages: dict[str, StageHealth]) -> list[RenderableType]:
    """The same where a table has no room: two lines a stage."""
    lines: list[RenderableType] = []
    for name, stage in stages.items():
        lines.append(worded("{:<9}", name) + _marked(stage.status) + worded("  {}", stage.cause))
        numbers = " · ".join(f"{word} {value}" for word, value in _cells(stage).items())
        lines.append(worded("[dim]{:<9}{}[/]", "", numbers))
    return lines
