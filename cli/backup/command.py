"""`mnemo backup` and `mnemo restore-backup`: the archive in one file, proved by being restored."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec

from mnemostream.archive.backup.book import Damaged
from mnemostream.archive.backup.proof import Proof
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNHEALTHY,
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
from mnemostream.local import endpoints, folder
from mnemostream.local.backup import made
from mnemostream.runtime.clock import SystemClock

MOST_PROBLEMS = 20


@click.command("backup", short_help="Back up the archive to a file, and verify it.")
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only verify a backup that exists.")
@data_option
@json_option
def backup_command(place: Path, check: bool, data: str | None, as_json: bool) -> None:
    """Back up the archive to PLACE, also while it runs.

    PLACE is a file, which then holds everything; or a folder, to which a backup writes only what the earlier ones in it
    do not have. A backup holds the log: every byte of every transcript, and every vector. It is then restored to a
    temporary folder beside it, on a server of its own, and every byte is verified by its checksum. Exit code 0 only if
    all are right. It contains what your transcripts contain; its mode is 0600.
    """
    folder = endpoints.data_folder(data)
    with steps("saving") as tell:
        if check:
            proof = _done(made.check(place, tell))
        else:
            place, proof = _done(made.backup(folder, place, SystemClock().now(), tell))
    _tell(place, proof, as_json)


@click.command("restore-backup", short_help="Make a data folder from a backup.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_option
@json_option
def restore_command(file: Path, data: str | None, as_json: bool) -> None:
    """Make a data folder, on this machine or another, from a file of `mnemo backup`.

    `mnemo up` then makes the database from it, and goes on where the backup ends: transcripts that lie at the same
    paths are not archived twice, whatever the machine is called.
    """
    place = endpoints.data_folder(data)
    with steps("reading") as tell:
        host, proof = _done(made.restore(file, place, tell))
    _tell(file, proof, as_json)
    words = "restored to {}, as the machine {}; `mnemo up` makes the database from it"
    err.print(worded(words, place, host), soft_wrap=True)


def _done(work: Coroutine[Any, Any, Any]) -> Any:
    """The result; what cannot be done is told, and leaves with 1 or 2."""
    try:
        return run(_until_told(work))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    except Damaged as error:
        failed("damaged", error)
        sys.exit(EX_FALSE)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        failed("cannot do it", what)
        sys.exit(EX_UNHEALTHY)
    except (made.InTheWay, folder.Busy, RuntimeError) as error:
        failed("cannot do it", error)
        sys.exit(EX_UNHEALTHY)


async def _until_told(work: Coroutine[Any, Any, Any]) -> Any:
    """A stop removes what was begun."""
    task = asyncio.current_task()
    if task:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def _tell(file: Path, proof: Proof, as_json: bool) -> None:
    size = proof.written or (file.stat().st_size if file.exists() else 0)  # one that is not proved is not kept
    if as_json:
        print_json({"file": str(file), "size": size, "verified": not proof.problems, **msgspec.to_builtins(proof)})
    else:
        verdict = "[red]{problems} problems[/]" if proof.problems else "[green]restored and verified[/]"
        words = "{}, {:.1f} MB: {} transcripts, {:.1f} MB: " + verdict
        figures = (file, size / 1e6, proof.transcripts, proof.bytes / 1e6)
        out.print(worded(words, *figures, problems=len(proof.problems)), soft_wrap=True)
        for problem in proof.problems[:MOST_PROBLEMS]:
            err.print(worded("✗ {}", problem), soft_wrap=True)
    if proof.problems:
        sys.exit(EX_FALSE)


COMMANDS = (backup_command, restore_command)
