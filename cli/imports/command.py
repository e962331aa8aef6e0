"""`mnemo import FILE…`: placed where the watcher captures it, then proved against the archive."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import click
import msgspec

from mnemostream.archive import copies, queries
from mnemostream.archive.copies import Archive
from mnemostream.archive.proof.compare import Gap
from mnemostream.archive.proof.files import compare_files
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNKNOWN,
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
from mnemostream.cli.imports.placing import Import, Refused, place
from mnemostream.contracts import codec, sources
from mnemostream.contracts.reasons import counted
from mnemostream.local import endpoints, folder

LOOK_SECONDS = 0.3
PATIENCE_SECONDS = 60.0
"""Nothing more is stored for so long: what is missing is named."""
MOST_NAMED = 20


class Outcome(msgspec.Struct):
    """What was imported, and whether the archive holds it byte for byte."""

    files: list[Import]
    refused: list[Refused]
    verified: bool = False
    gaps: list[Gap] = []
    running: bool = True
    """False: the next `mnemo up` captures what was placed."""


@click.command("import", short_help="Import exports and sessions from elsewhere.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--assistant", type=click.Choice(sorted(sources.BY_NAME)), help="Whose they are, if they do not say so.")
@data_option
@json_option
def import_command(paths: tuple[Path, ...], assistant: str | None, data: str | None, as_json: bool) -> None:
    """Import exports of ChatGPT, Claude.ai and Gemini (Takeout), SpecStory's Markdown, VS Code's "Export Chat", `amp
    threads export`, ATIF, and transcripts of any known assistant, from files, folders and .zip archives.

    To import a file again changes nothing; a later export adds what is new in it. Exit code 0 once the archive holds
    everything byte for byte.
    """
    place_of = endpoints.data_folder(data)
    outcome = Outcome([], [])
    try:
        for one in place(list(paths), place_of / folder.IMPORTS, assistant or ""):
            (outcome.files if isinstance(one, Import) else outcome.refused).append(one)  # type: ignore[arg-type]
    except OSError as error:
        failed("not imported", error)
        sys.exit(EX_FALSE)
    if outcome.files:
        run(_proved(place_of, outcome))
    if as_json:
        print_json(outcome)
    else:
        _say(outcome)
    complete = bool(outcome.files) and not outcome.refused and not outcome.gaps
    sys.exit(EX_UNKNOWN if not outcome.running else 0 if complete else EX_FALSE)


async def _proved(data: Path, outcome: Outcome) -> None:
    """Waits until the archive holds what was placed, and compares it byte for byte."""
    try:
        where = endpoints.read(data).reading()
    except endpoints.NotRunning:
        outcome.running = False
        return
    async with copies.opened(where) as opened:
        with steps("capturing") as show:
            await _stored(opened, data / folder.IMPORTS, outcome, lambda done, total: show("capturing", done, total))
            sizes = {file.file: file.bytes for file in outcome.files}
            rows = {row.full: row for row in await opened.transcripts()}
            files = [(file, size, rows.get(_full(file))) for file, size in sizes.items()]
            outcome.gaps = sorted(await compare_files(opened, files, show))
    outcome.verified = not outcome.gaps


async def _stored(opened: Archive, imports: Path, outcome: Outcome, show: object) -> None:
    """Returns when the newest generation of each file is stored to its end, or nothing more comes."""
    wanted = {_full(file.file): (file.bytes, _written_at(file.file)) for file in outcome.files if file.new}
    origins = {_full(file.file): file for file in outcome.files}
    least, since = len(wanted) + 1, asyncio.get_running_loop().time()
    while wanted:
        for row in await opened.database.fetch(queries.read("stored_ends"), codec.printable(str(imports.resolve()))):
            size, at = wanted.get(row["full_path"], (-1, 0.0))
            if row["stored"] == size and row["captured_at"] >= at:
                del wanted[row["full_path"]]
        for gone in [full for full in wanted if not os.path.exists(full)]:  # the watcher knows a tombstone
            del wanted[gone]
            outcome.refused.append(Refused(origins[gone].origin, "forgotten earlier, and kept out"))
            outcome.files.remove(origins[gone])
        now = asyncio.get_running_loop().time()
        if len(wanted) < least:
            least, since = len(wanted), now
        if now - since > PATIENCE_SECONDS:
            return
        show(len(outcome.files) - len(wanted), len(outcome.files))  # type: ignore[operator]
        await asyncio.sleep(LOOK_SECONDS if wanted else 0)


def _full(file: str) -> str:
    """As the archive writes its path."""
    return codec.printable(os.path.realpath(file))


def _written_at(file: str) -> float:
    return os.stat(file).st_mtime - 1.0


def _say(outcome: Outcome) -> None:
    found = Counter(file.source for file in outcome.files)
    new = sum(1 for file in outcome.files if file.new)
    for source, count in sorted(found.items()):
        out.print(worded("{}: {}", sources.BY_NAME[source].title, counted(count, "file")))
    if outcome.files:
        out.print(worded("{} new, {} already there as they are", new, len(outcome.files) - new))
    for one in outcome.refused[:MOST_NAMED]:
        err.print(worded("not imported: {}: {}", one.origin, one.reason), soft_wrap=True)
    if len(outcome.refused) > MOST_NAMED:
        err.print(worded("… and {} more (--json lists all)", len(outcome.refused) - MOST_NAMED))
    for gap in outcome.gaps[:MOST_NAMED]:
        err.print(worded("✗ {}: {}: {}", gap.file, gap.copy, gap.kind), soft_wrap=True)
    if not outcome.running:
        err.print("nothing runs here: the next `mnemo up` captures what was imported")
    elif outcome.verified:
        out.print("[green]verified:[/] the archive holds every byte")


COMMANDS = (import_command,)
