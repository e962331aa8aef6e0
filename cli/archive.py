"""`mnemo forget` and `mnemo replay`: what changes the archive."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from pathlib import Path

import asyncpg
import click
import msgspec
from rich.markup import escape
from rich.table import Table

from archive import copies, forget, queries
from cli.console import EX_FALSE, EX_UNKNOWN, bars, data_option, err, json_option, out, print_json, run
from contracts.oneshots import ReparseProgress, ReplayProgress
from local import endpoints, oneshot
from local.endpoints import Endpoints


@click.command("forget", short_help="Permanently delete a session.")
@click.argument("session")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, without deleting it.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@data_option
@json_option
def forget_command(session: str, dry_run: bool, yes: bool, data: str | None, as_json: bool) -> None:
    """Permanently delete a session from the log, the database and the dead letters.

    The assistant's own file is kept, but it is not captured again.
    """
    folder = endpoints.data_folder(data)
    forgotten = run(_forget(folder, session, really=False))
    if not as_json or not (dry_run or yes):
        _print_forgotten(forgotten)
    if not dry_run:
        if not yes and not click.confirm("Permanently delete this session?", err=True):
            sys.exit(EX_FALSE)
        forgotten = run(_forget(folder, session, really=True))
        err.print("deleted from the log, the database and the dead letters, and overwritten there")
        err.print("not erased: " + "; ".join(forgotten.not_erased), markup=False, soft_wrap=True)
    if as_json:
        print_json(forgotten)
    sys.exit(0)


async def _forget(data: Path, session: str, *, really: bool) -> forget.Forgotten:
    async with copies.opened(endpoints.read(data)) as opened:
        rows = await forget.whose(opened, session)
        if not really:
            return await forget.survey(opened, rows)
        with err.status("deleting …") as status:
            return await forget.forget(opened, rows, lambda text: status.update(escape(text)))


def _print_forgotten(forgotten: forget.Forgotten) -> None:
    err.print(f"session {forgotten.session}: {len(forgotten.transcripts)} transcripts", markup=False)
    for file in forgotten.files[:20]:
        err.print(f"  {file}", markup=False, soft_wrap=True)
    err.print(
        f"{forgotten.messages} log messages, {forgotten.segments} segments ({forgotten.bytes} bytes),"
        f" {forgotten.records} records, vectors for {forgotten.vectors} texts, {forgotten.dead_letters} dead letters",
        soft_wrap=True,
    )
    if forgotten.shared_exchanges:
        err.print(f"{forgotten.shared_exchanges} exchanges also exist in forks of this session and are kept there")


@click.command("replay", short_help="Rebuild the database from the log.")
@click.option("--reparse", is_flag=True, help="First parse all archived bytes again with the current parsers.")
@data_option
@json_option
def replay_command(reparse: bool, data: str | None, as_json: bool) -> None:
    """Rebuild the database from the log, compare it row by row, and swap it in."""
    try:
        result = run(_replay(endpoints.read(endpoints.data_folder(data)), reparse))
    except endpoints.NotRunning as error:
        err.print(f"result unknown: {error}", soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    except oneshot.Failed as error:
        err.print(f"replay failed, nothing was changed: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_FALSE)
    if as_json:
        print_json(result)
    else:
        _print_replay(result)
    sys.exit(0)


class Rebuilt(msgspec.Struct, omit_defaults=True):
    """The outcome of `mnemo replay`."""

    replay: ReplayProgress = ReplayProgress()
    reparse: ReparseProgress | None = None
    before: dict[str, int] = {}
    """How many exchanges and records there were of each kind, before the bytes were parsed again, and after."""
    after: dict[str, int] = {}


async def _replay(where: Endpoints, reparse: bool) -> Rebuilt:
    env = {
        "MNEMO_NATS_URL": where.nats_url,
        "MNEMO_POSTGRES_DSN": where.postgres_dsn,
        "MNEMO_PARENT_PID": str(os.getpid()),
    }
    result = Rebuilt()
    if reparse:
        result.before = await _readings(where.postgres_dsn)
    with bars() as shown:
        if reparse:
            task = shown.add_task("reparsing", total=1, words="")
            async with aclosing(oneshot.lines("services.watcher.reparse", env, ReparseProgress)) as lines:
                async for result.reparse in lines:
                    shown.update(task, completed=result.reparse.done, total=max(1, result.reparse.total))
        task = shown.add_task("replaying", total=1, words="")
        async with aclosing(oneshot.lines("services.writer.replay", env, ReplayProgress)) as lines:
            async for result.replay in lines:
                shown.update(task, completed=result.replay.done, total=max(1, result.replay.total))
    if reparse:
        result.after = await _readings(where.postgres_dsn)
    return result


async def _readings(dsn: str) -> dict[str, int]:
    """Exchanges and records by kind; nothing if the database does not answer: the rebuild says so then."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5, command_timeout=300)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return {}
    try:
        return {row["what"]: row["count"] for row in await connection.fetch(queries.read("readings"))}
    finally:
        await connection.close(timeout=5)


def _print_readings(before: dict[str, int], after: dict[str, int]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("kind", "before", "after"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for name in sorted({*before, *after}):
        was, now = before.get(name, 0), after.get(name, 0)
        table.add_row(name, f"{was:,}", f"{now:,}" if was == now else f"[yellow]{now:,}[/]")
    out.print(table)


def _print_replay(result: Rebuilt) -> None:
    if result.reparse:
        out.print(f"{result.reparse.reparsed} generations parsed again, {result.reparse.records} records")
        _print_readings(result.before, result.after)
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rows before", "rows replayed", ""):
        table.add_column(name, justify="left" if name in ("table", "") else "right")
    for row in result.replay.tables:
        verdict = "[green]equal[/]" if row.equal else "[yellow]differed, replaced[/]"
        table.add_row(row.name, str(row.live_rows), str(row.replayed_rows), verdict)
    out.print(table)
    out.print(f"{result.replay.done} messages replayed; the new tables are in use")


COMMANDS = (replay_command, forget_command)
