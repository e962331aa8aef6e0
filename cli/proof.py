"""`mnemo verify` and `mnemo restore`: the proof, and what it is good for."""

from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from mnemostream.archive import copies, restore
from mnemostream.archive.proof import verify
from mnemostream.archive.rows.proof import by_database, replayed
from mnemostream.cli.console import (
    EX_FALSE,
    data_option,
    err,
    failed,
    json_option,
    out,
    own_scanner,
    print_json,
    run,
    steps,
    worded,
)
from mnemostream.cli.find.sessions import When
from mnemostream.contracts.codec import iso
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.sources import Root
from mnemostream.local import endpoints
from mnemostream.local.folder import IMPORTS

MOST_GAPS = 50
"""Gaps that are named for people; --json names all."""


@click.command("verify", short_help="Compare every file with the archive.")
@click.option("--source", "folders", multiple=True, help="FOLDER or ASSISTANT=FOLDER; repeatable; default: all.")
@click.option("--all", "everything", is_flag=True, help="Also verify transcripts whose file no longer exists.")
@data_option
@json_option
def verify_command(folders: tuple[str, ...], everything: bool, data: str | None, as_json: bool) -> None:
    """Compare every file with the archive, byte for byte.

    Exit code 0 only if every file is identical to its copies in the database and the log.
    """
    if folders and everything:
        raise click.UsageError("--all and --source cannot be combined")
    report = run(_verify(endpoints.data_folder(data), folders, everything))
    if as_json:
        print_json({"equal": report.equal, **msgspec.to_builtins(report)})
    else:
        for gap in report.gaps[:MOST_GAPS]:
            where = f": bytes {gap.start} to {gap.end}" if gap.end > gap.start else f": at byte {gap.start}"
            where = "" if gap.copy == "file" else where
            out.print(worded("✗ {}\n    {}{}: {}", gap.file, gap.copy, where, gap.kind), soft_wrap=True)
        if len(report.gaps) > MOST_GAPS:
            out.print(worded("… and {} more (--json lists all)", len(report.gaps) - MOST_GAPS))
        _print_summary(report)
    if not report.equal and all(gap.copy == "file" for gap in report.gaps):
        err.print("mount or put back what cannot be read; `mnemo restore` gives back what is archived of it")
    elif not report.equal:
        err.print("`mnemo replay` rebuilds a damaged database from the log; during an import, verify again later")
    sys.exit(0 if report.equal else EX_FALSE)


async def _verify(data: Path, folders: tuple[str, ...], everything: bool) -> verify.Report:
    where = endpoints.read(data).reading()
    async with copies.opened(where) as opened:
        roots = verify.roots_of(folders, where.roots, await opened.transcripts())
        if not folders and (imports := data / IMPORTS).is_dir():
            roots.append(Root(str(imports), ours=True))
        redact = own_scanner() if where.redact else None
        host = os.environ.get("MNEMO_HOST") or where.host
        scope = verify.Scope(roots, everything, where.include, where.exclude, host, redact)
        with steps("verifying") as show:
            return await verify.verify(opened, scope, show)


def _print_summary(report: verify.Report) -> None:
    megabytes = report.bytes / 1e6
    speed = megabytes / max(report.seconds, 1e-9)
    verdict = "[green]all equal[/]" if report.equal else "[red]{gaps}[/]"
    words = "{}, {:.1f} MB in {:.1f} s ({:.0f} MB/s): " + verdict
    figures = (counted(report.files, "file"), megabytes, report.seconds, speed)
    out.print(worded(words, *figures, gaps=counted(len(report.gaps), "gap")), soft_wrap=True)
    if report.databases:
        rows = counted(report.rows, "row")
        out.print(worded("{}, {} compared, one by one", counted(report.databases, "database"), rows))
    if report.archived_only:
        gone = counted(report.archived_only, "transcript")
        out.print(worded("{} whose file no longer exists: database and log compared", gone))
    if report.left or report.forgotten:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.left.items()))
        out.print(worded("not captured: {}; forgotten: {}", reasons or "nothing", report.forgotten), soft_wrap=True)
        if report.left_names:
            out.print(worded("  {}", report.left_names), soft_wrap=True)
    if report.replaced:
        words = "replaced before they were archived: {} in {}; every other byte was compared"
        out.print(
            worded(words, counted(report.replaced, "secret"), counted(report.replaced_in, "transcript")), soft_wrap=True
        )
    if report.damaged:
        kinds: Counter[str] = Counter()
        for damage in report.damaged:
            kinds[damage.kind] += damage.lines
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        files = len({damage.file for damage in report.damaged})
        words = "damaged lines in {}, archived unchanged: {} (--json lists the files)"
        out.print(worded(words, counted(files, "file"), counts), soft_wrap=True)
    if report.unknown:
        counts = ", ".join(f"{count} {kind}" for kind, count in list(report.unknown.items())[:10])
        out.print(worded("lines of unknown types, archived unchanged: {}", counts), soft_wrap=True)
    left = report.texts_without_vector
    out.print(worded("{}, {}", counted(report.texts, "text"), f"{left} not embedded yet" if left else "all embedded"))
    left = report.exchanges_not_indexed
    out.print(
        worded("{}, {}", counted(report.exchanges, "exchange"), f"{left} not indexed yet" if left else "all indexed")
    )


@click.command("restore", short_help="Restore a transcript to its file.")
@click.argument("session")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the main transcript to this file.")
@click.option("--generation", type=int, help="Generation to restore; default: the newest.")
@click.option("--at", type=When(), help="The state that was archived at that time: 2h, 2026-05-01T10:30.")
@click.option("--list", "only_list", is_flag=True, help="Only list the generations that are archived.")
@click.option("--force", is_flag=True, help="Overwrite a file whose content differs.")
@data_option
@json_option
def restore_command(session: str, data: str | None, as_json: bool, **options: Any) -> None:
    """Restore a transcript, byte for byte, to where the assistant can resume it.

    SESSION is a session ID or the start of one, a transcript ID, or a path; that of a database, with -o, is restored
    as a new database with all rows. An assistant that writes a file again makes a new generation with each save.
    """
    wanted = msgspec.convert(options, _Wanted)
    if wanted.at and wanted.generation is not None:
        raise click.UsageError("--at and --generation exclude each other")
    if wanted.only_list:
        _show_states(run(_states(endpoints.data_folder(data), session)), as_json)
        return
    try:
        done = run(_restore(endpoints.data_folder(data), session, wanted))
    except (restore.Damaged, restore.InTheWay, OSError) as error:
        failed("not restored", error)
        sys.exit(EX_FALSE)
    if as_json:
        print_json(done)
    for restored in done:
        if not as_json:
            what = "already identical" if restored.same else f"written from the {restored.copy}"
            out.print(worded("{}: {}, {}", restored.file, counted(restored.bytes, "byte"), what), soft_wrap=True)
            if restored.replaced:
                out.print(
                    worded("    placeholders in it: {} (MNEMO_REDACT=publish)", counted(restored.replaced, "secret"))
                )
    sys.exit(0)


class _Wanted(msgspec.Struct, frozen=True):
    """The options of `mnemo restore`."""

    output: Path | None
    generation: int | None
    at: datetime | None
    only_list: bool
    force: bool

    @property
    def wish(self) -> restore.Wish:
        """Which state."""
        return restore.Wish(self.generation, self.at.timestamp() if self.at else None)


async def _restore(data: Path, session: str, wanted: _Wanted) -> list[restore.Restored]:
    output = wanted.output
    async with copies.opened(endpoints.read(data).reading()) as opened:
        if output and (logs := by_database(await opened.transcripts()).get(os.path.realpath(session))):
            count = (await replayed(opened, logs, wanted.wish.at)).write(output)
            size = output.stat().st_size
            return [restore.Restored(session, str(output), size, 0, f"archive, {counted(count, 'row')}", "")]
        rows = await restore.find(opened, session)
        if output is None:
            await restore.of_this_machine(opened, rows)
        pairs = restore.targets(rows, output)
        return [await restore.restore(opened, row, file, wanted.wish, force=wanted.force) for row, file in pairs]


class State(msgspec.Struct, frozen=True):
    """One generation of one file, as it can be restored."""

    file: str
    generation: int
    bytes: int
    captured_at: str
    """When its last bytes were captured."""
    shared: int
    """Bytes that it has in common with the generation before."""


async def _states(data: Path, session: str) -> list[State]:
    async with copies.opened(endpoints.read(data).reading()) as opened:
        return [
            State(row.full, one.number, one.end, iso(one.last_at), one.base.bytes if one.base else 0)
            for row in await restore.find(opened, session)
            for one in (await restore.generations(opened, row)).values()
        ]


def _show_states(states: list[State], as_json: bool) -> None:
    if as_json:
        print_json(states)
        return
    file = ""
    for state in states:
        if state.file != file:
            file = state.file
            out.print(worded("{}", file), soft_wrap=True)
        out.print(worded("  {:>5}  {}  {:>12,} bytes", state.generation, state.captured_at, state.bytes))


COMMANDS = (verify_command, restore_command)
