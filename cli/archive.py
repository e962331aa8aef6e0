"""`mnemo forget` and `mnemo replay`: what changes the archive."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from pathlib import Path

import asyncpg
import click
import msgspec
from rich.table import Table

from mnemostream.archive import again, copies, forget, queries, restore
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNKNOWN,
    bars,
    data_option,
    err,
    failed,
    json_option,
    out,
    print_json,
    run,
    steps,
    worded,
)
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.requests import ReparseProgress, ReplayProgress
from mnemostream.local import endpoints, oneshot
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.clock import SystemClock


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
        err.print(worded("not erased: {}", "; ".join(forgotten.not_erased)), soft_wrap=True)
    if as_json:
        print_json(forgotten)
    sys.exit(0)


async def _forget(data: Path, session: str, *, really: bool) -> forget.Forgotten:
    async with copies.opened(endpoints.read(data)) as opened:
        rows = await forget.whose(opened, session)
        if not really:
            return await forget.survey(opened, rows)
        with err.status("deleting …") as status:
            return await forget.forget(opened, rows, lambda text: status.update(worded("{}", text)))


def _print_forgotten(forgotten: forget.Forgotten) -> None:
    err.print(
        worded("session {}: {}", forgotten.session, counted(len(forgotten.transcripts), "transcript")), soft_wrap=True
    )
    for file in forgotten.files[:20]:
        err.print(worded("  {}", file), soft_wrap=True)
    words = (
        "{f.messages} log messages, {f.segments} segments ({f.bytes} bytes), {f.records} records,"
        " vectors for {f.vectors} texts, {f.dead_letters} dead letters"
    )
    err.print(worded(words, f=forgotten), soft_wrap=True)
    if forgotten.shared_exchanges:
        words = "{} exchanges also exist in forks of this session and are kept there"
        err.print(worded(words, forgotten.shared_exchanges), soft_wrap=True)


@click.command("replay", short_help="Rebuild the database from the log.")
@click.option("--reparse", is_flag=True, help="First parse all archived bytes again with the current parsers.")
@data_option
@json_option
def replay_command(reparse: bool, data: str | None, as_json: bool) -> None:
    """Rebuild the database from the log, compare it row by row, and swap it in."""
    try:
        result = run(_replay(endpoints.read(endpoints.data_folder(data)), reparse))
    except endpoints.NotRunning as error:
        failed("result unknown", error)
        sys.exit(EX_UNKNOWN)
    except oneshot.Failed as error:
        failed("replay failed, nothing was changed", error)
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
            async with aclosing(oneshot.lines("mnemostream.services.watcher.reparse", env, ReparseProgress)) as lines:
                async for result.reparse in lines:
                    shown.update(task, completed=result.reparse.done, total=max(1, result.reparse.total))
        task = shown.add_task("replaying", total=1, words="")
        async with aclosing(oneshot.lines("mnemostream.services.writer.replay", env, ReplayProgress)) as lines:
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
        table.add_row(name, f"{was:,}", worded("{:,}" if was == now else "[yellow]{:,}[/]", now))
    out.print(table)


def _print_replay(result: Rebuilt) -> None:
    if result.reparse:
        out.print(worded("{0.reparsed} generations parsed again, {0.records} records", result.reparse))
        _print_readings(result.before, result.after)
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rows before", "rows replayed", ""):
        table.add_column(name, justify="left" if name in ("table", "") else "right")
    for row in result.replay.tables:
        verdict = worded("[green]equal[/]" if row.equal else "[yellow]differed, replaced[/]")
        table.add_row(row.name, str(row.live_rows), str(row.replayed_rows), verdict)
    out.print(table)
    out.print(worded("{} replayed; the new tables are in use", counted(result.replay.done, "message")))


@click.command("embed", short_help="Make vectors again.")
@click.argument("session", required=False)
@click.option("--again", "afresh", is_flag=True, help="Make all vectors of SESSION anew, in place of the present ones.")
@click.option("--missing", is_flag=True, help="Make the vectors that are missing, of SESSION or of all sessions.")
@data_option
@json_option
def embed_command(session: str | None, afresh: bool, missing: bool, data: str | None, as_json: bool) -> None:
    """Have the embedders make vectors of texts that are in the log.

    Exit code 0 if all were made, 1 otherwise.
    """
    if afresh == missing or (afresh and not session):
        raise click.UsageError("specify SESSION --again, or --missing")
    made, problems = run(_embed(endpoints.data_folder(data), session, afresh))
    if as_json:
        print_json({"messages": made, "problems": problems})
    else:
        err.print(worded("{} messages embedded, {} problems", made - len(problems), len(problems)), soft_wrap=True)
        for problem in problems:
            err.print(worded("  {}", problem), soft_wrap=True)
    sys.exit(EX_FALSE if problems else 0)


async def _embed(data: Path, session: str | None, afresh: bool) -> tuple[int, list[str]]:
    async with copies.opened(endpoints.read(data)) as opened:
        rows = await restore.find(opened, session) if session else await opened.transcripts()
        lacking = None if afresh else await again.missing(opened)
        if lacking is not None:
            rows = [row for row in rows if row.transcript_id in lacking]
        only = None if lacking is None else set().union(*lacking.values())
        sequences = await again.texts(opened, rows, only)
        revision = int(SystemClock().now() * 1000) if afresh else 0
        with steps("embedding") as tell:
            return len(sequences), await again.embed(opened, sequences, revision, tell)


COMMANDS = (replay_command, forget_command, embed_command)
