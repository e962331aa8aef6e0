"""`mnemo down`, and what `mnemo uninstall` does first: stop what runs on a data folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNHEALTHY,
    data_option,
    err,
    failed,
    json_option,
    out,
    print_json,
    worded,
)
from mnemostream.local import endpoints, folder
from mnemostream.local.service import detached

STOP_SECONDS = 90.0


def stopped(place: Path) -> bool:
    """True when nothing runs on the folder any more; if something stays, why is said."""
    if not folder.in_use(place):
        return True
    pid = folder.holder(place)
    if not pid:  # it has only just begun, and has not said its number yet
        err.print(worded("something is just starting on {}: repeat the command", place))
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError as error:
        err.print(worded("process {} cannot be stopped: {}", pid, error))
        return False
    if asyncio.run(detached.gone(place, STOP_SECONDS)):
        return True
    err.print(worded("process {} has not ended after {:.0f} s; see logs/mnemo.log", pid, STOP_SECONDS))
    return False


@click.command("down", short_help="Stop what runs on a data folder.")
@data_option
@json_option
def down(data: str | None, as_json: bool) -> None:
    """Stop `mnemo up`, in the background or elsewhere; returns when it has ended."""
    place = endpoints.data_folder(data)
    if not (pid := folder.holder(place)):
        failed("not stopped", f"nothing runs on {place}")
        sys.exit(EX_FALSE)
    if not stopped(place):
        sys.exit(EX_UNHEALTHY)
    if as_json:
        print_json({"stopped": pid})
    else:
        out.print("stopped")
