"""The commands of the archive: verify, restore, replay, forget."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click
import msgspec
import nats.errors
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from archive import copies, forget, restore
from archive.proof import verify
from cli import doctor
from cli.common import EX_FALSE, EX_UNKNOWN, data_option, err, json_option, out, plain
from local import endpoints, oneshot
from local.endpoints import Endpoints
from runtime.errors import Misconfigured, Transient

T = TypeVar("T")
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error, TimeoutError)
"""A connection that breaks in the middle of a command."""
MOST_GAPS = 50
"""Gaps that are named for people; --json names all."""


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Runs one command's work; a failure to look leaves with 3, and says what to do."""
    try:
        return asyncio.run(work)
    except (endpoints.NotRunning, copies.Unreachable, Transient, Misconfigured, *LOST) as error:
        err.print(f"cannot tell: {error or type(error).__name__}", soft_wrap=True, markup=False)
        sys.exit(EX_UNKNOWN)


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _bars() -> Progress:
    columns = (TextColumn("{task.description:<14}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>5.1f}%"))
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[words]}"), console=err, transient=True)


@click.command("verify")
@click.option("--source", "given", multiple=True, help="FOLDER or ASSISTANT=FOLDER to verify; default: all watched.")
@click.option("--all", "everything", is_flag=True, help="Also transcripts whose file is gone.")
@data_option
@json_option
def verify_command(given: tuple[str, ...], everything: bool, data: str | None, as_json: bool) -> None:
    """Read every file again and compare it with the archive, byte for byte.

    Exit code 0 only if each file equals its copy in the database and in the log.
    """
    report = _run(_verify(endpoints.data_folder(data), given, everything))
    if as_json:
        _print_json({"equal": report.equal, **msgspec.to_builtins(report)})
    else:
        for gap in report.gaps[:MOST_GAPS]:
            where = f"bytes {gap.start} to {gap.end}" if gap.end > gap.start else f"at byte {gap.start}"
            out.print(f"✗ {gap.file}\n    {gap.copy}: {where}: {gap.kind}", markup=False, soft_wrap=True)
        if len(report.gaps) > MOST_GAPS:
            out.print(f"… and {len(report.gaps) - MOST_GAPS} more (--json names all)")
        _print_summary(report)
    if not report.equal:
        err.print("the log is the truth: `mnemo replay` rebuilds a damaged database; a running import needs more time")
    sys.exit(0 if report.equal else EX_FALSE)


async def _verify(data: Path, given: tuple[str, ...], everything: bool) -> verify.Report:
    where = endpoints.read(data)
    async with copies.opened(where) as opened:
        roots = verify.roots_of(given, where.roots, await opened.transcripts())
        scope = verify.Scope(roots, everything and not given, where.include, where.exclude)
        with _bars() as bars:
            task = bars.add_task("verifying", total=1, words="")

            def show(step: str, done: int, total: int) -> None:
                bars.update(task, description=step, completed=done, total=max(1, total))

            return await verify.verify(opened, scope, show)


def _print_summary(report: verify.Report) -> None:
    megabytes = report.bytes / 1e6
    speed = megabytes / max(report.seconds, 1e-9)
    verdict = "[green]all equal[/]" if report.equal else f"[red]{len(report.gaps)} gaps[/]"
    out.print(f"{report.files} files, {megabytes:.1f} MB in {report.seconds:.1f} s ({speed:.0f} MB/s): {verdict}")
    if report.archived_only:
        out.print(f"{report.archived_only} transcripts whose file is gone: compared between database and log")
    if report.ignored or report.forgotten:
        out.print(f"{report.ignored} files are no transcripts, empty or excluded; {report.forgotten} were forgotten")
    if report.damaged:
        kinds: Counter[str] = Counter()
        for one in report.damaged:
            kinds[one.kind] += one.lines
        words = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        files = len({one.file for one in report.damaged})
        out.print(f"damaged lines in {files} files, archived as they are: {words} (--json names the files)")
    if report.unknown:
        words = ", ".join(f"{count} {kind}" for kind, count in list(report.unknown.items())[:10])
        out.print(f"lines of unknown types, archived as they are: {words}", markup=False)
    left = report.texts_without_vector
    out.print(f"{report.texts} texts, " + (f"{left} wait for their vectors" if left else "all with vectors"))


@click.command("restore")
@click.argument("session")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the main transcript to this file.")
@click.option("--generation", type=int, help="An earlier generation; default: the newest.")
@click.option("--force", is_flag=True, help="Overwrite a file that has other bytes.")
@data_option
@json_option
def restore_command(
    session: str, output: Path | None, generation: int | None, force: bool, data: str | None, as_json: bool
) -> None:
    """Write a transcript back, byte-identical, to where the assistant can resume it.

    SESSION is a session id, or its beginning, a transcript id, or a path.
    """
    try:
        done = _run(_restore(endpoints.data_folder(data), session, output, generation, force))
    except (restore.Damaged, restore.InTheWay, OSError) as error:
        err.print(f"not restored: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_FALSE)
    if as_json:
        _print_json(done)
    for one in done:
        if not as_json:
            what = "is there already" if one.same else f"written from the {one.copy}"
            out.print(f"{one.file}: {one.bytes} bytes, {what}", markup=False, soft_wrap=True)
    sys.exit(0)


async def _restore(
    data: Path, session: str, output: Path | None, generation: int | None, force: bool
) -> list[restore.Restored]:
    async with copies.opened(endpoints.read(data)) as opened:
        rows = await restore.find(opened, session)
        pairs = restore.targets(rows, output)
        return [await restore.restore(opened, row, file, generation, force=force) for row, file in pairs]


@click.command("forget")
@click.argument("session")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def forget_command(session: str, dry_run: bool, yes: bool, data: str | None, as_json: bool) -> None:
    """Remove a session from log, database and dead letters, for good; it is not captured again.

    The assistant's own file stays where it is.
    """
    folder = endpoints.data_folder(data)
    found = _run(_forget(folder, session, really=False))
    if not as_json or not (dry_run or yes):
        _print_forgotten(found)
    if not dry_run:
        if not yes and not click.confirm("Forget it for good?", err=True):
            sys.exit(EX_FALSE)
        found = _run(_forget(folder, session, really=True))
        err.print("forgotten: gone from the log, the database and the dead letters, and overwritten there")
        err.print("not in our reach: " + "; ".join(found.not_erased), markup=False, soft_wrap=True)
    if as_json:
        _print_json(found)
    sys.exit(0)


async def _forget(data: Path, session: str, *, really: bool) -> forget.Forgotten:
    async with copies.opened(endpoints.read(data)) as opened:
        rows = await forget.whose(opened, session)
        if not really:
            return await forget.survey(opened, rows)
        with err.status("forgetting …") as status:
            return await forget.forget(opened, rows, lambda text: status.update(escape(text)))


def _print_forgotten(found: forget.Forgotten) -> None:
    err.print(f"session {found.session}: {len(found.transcripts)} transcripts", markup=False)
    for file in found.files[:20]:
        err.print(f"  {file}", markup=False, soft_wrap=True)
    err.print(
        f"{found.messages} messages of the log, {found.segments} segments ({found.bytes} bytes),"
        f" {found.records} records, vectors of {found.vectors} texts, {found.dead_letters} dead letters",
        soft_wrap=True,
    )
    if found.shared_exchanges:
        err.print(f"{found.shared_exchanges} exchanges are also in forks of this session and stay there")


@click.command("replay")
@click.option("--reparse", is_flag=True, help="First apply the present parsers to all archived bytes.")
@data_option
@json_option
def replay_command(reparse: bool, data: str | None, as_json: bool) -> None:
    """Rebuild the database from the log in a fresh schema, compare row for row, and swap it in."""
    try:
        result = _run(_replay(endpoints.read(endpoints.data_folder(data)), reparse))
    except endpoints.NotRunning as error:
        err.print(f"cannot tell: {error}", soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    except oneshot.Failed as error:
        err.print(f"not replayed, nothing was changed: {error}", soft_wrap=True, markup=False)
        sys.exit(EX_FALSE)
    if as_json:
        _print_json(result)
    else:
        _print_replay(result)
    sys.exit(0)


async def _replay(where: Endpoints, reparse: bool) -> dict[str, Any]:
    env = {
        "MNEMO_NATS_URL": where.nats_url,
        "MNEMO_POSTGRES_DSN": where.postgres_dsn,
        "MNEMO_PARENT_PID": str(os.getpid()),
    }
    result: dict[str, Any] = {}
    with _bars() as bars:
        if reparse:
            task = bars.add_task("reparsing", total=1, words="")
            async for line in oneshot.lines("services.watcher.reparse", env):
                result["reparse"] = line
                bars.update(task, completed=line["done"], total=max(1, line["total"]))
        task = bars.add_task("replaying", total=1, words="")
        async for line in oneshot.lines("services.writer.replay", env):
            if line.get("swapped"):
                result["replay"] = line
            bars.update(task, completed=line.get("done", 0), total=max(1, line.get("total", 1)))
    return result


def _print_replay(result: dict[str, Any]) -> None:
    if "reparse" in result:
        line = result["reparse"]
        out.print(f"{line['reparsed']} generations parsed anew, {line['records']} records")
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rows before", "rows replayed", ""):
        table.add_column(name, justify="left" if name in ("table", "") else "right")
    for row in result["replay"]["tables"]:
        verdict = "[green]equal[/]" if row["equal"] else "[yellow]differed, replaced[/]"
        table.add_row(row["name"], str(row["live_rows"]), str(row["replayed_rows"]), verdict)
    out.print(table)
    out.print(f"{result['replay']['done']} messages replayed; the new tables are in use")


@click.command("doctor")
@data_option
@json_option
def doctor_command(data: str | None, as_json: bool) -> None:
    """Which assistants' folders are there and watched, what is wrong, and how to mend it."""
    places, found = _run(doctor.checks(endpoints.data_folder(data), os.environ, Path.home()))
    if as_json:
        _print_json({"folders": places, "checks": found})
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("assistant", "folder", "files", "MB", ""):
            table.add_column(name, justify="right" if name in ("files", "MB") else "left", overflow="fold")
        for place in places:
            state = "watched" if place.watched else "not there" if not place.exists else "[yellow]not watched[/]"
            table.add_row(place.title, place.folder, str(place.files), f"{place.bytes / 1e6:.1f}", state)
        out.print(table)
        for check in found:
            mark = {"ok": "[green]✓[/]", "note": "·", "wrong": "[red]✗[/]"}[check.state]
            out.print(f"{mark} {check.name}: {escape(plain(check.words))}", soft_wrap=True)
            if check.remedy:
                out.print(f"    {check.remedy}", markup=False, soft_wrap=True)
    sys.exit(EX_FALSE if any(check.state == "wrong" for check in found) else 0)


COMMANDS = (verify_command, restore_command, replay_command, forget_command, doctor_command)
