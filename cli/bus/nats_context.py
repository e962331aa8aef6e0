"""`mnemo nats-context`: so that `nats --context mnemo stream ls` works at once.

Contexts are JSON files of the nats CLI (https://docs.nats.io/using-nats/nats-tools/nats_cli#nats-contexts). Those of an
instance on this machine are links to files that each start writes anew, with the passwords of that start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from mnemostream.cli.console import EX_FALSE, data_option, err, json_option, out, print_json, run, worded
from mnemostream.local import contexts, endpoints
from mnemostream.local.secrets import write_private
from mnemostream.runtime.process.home import home


@click.command("nats-context", short_help="Let the nats CLI look at the streams.")
@data_option
@click.option("--system", is_flag=True, help="The system account instead: `nats server info`, `nats server report`.")
@click.option("--name", default="mnemo", show_default=True, help="Name of the context; mnemo-system with --system.")
@json_option
@click.pass_context
def nats_context(context: click.Context, data: str | None, system: bool, name: str, as_json: bool) -> None:
    """Make a context for the nats CLI, with a user that reads and changes nothing."""
    chosen = context.get_parameter_source("name") is not ParameterSource.DEFAULT
    name = name if chosen or not system else "mnemo-system"
    place = run(_made(endpoints.data_folder(data), system, name))
    if as_json:
        print_json({"context": name, "file": str(place)})
    else:
        out.print(worded("nats --context {} {}", name, "server report jetstream" if system else "stream ls"))


async def _made(data: Path, system: bool, name: str) -> Path:
    """Raises endpoints.NotRunning."""
    place = folder() / f"{name}.json"
    if place.exists() and not place.is_symlink() and contexts.MARK not in place.read_text("utf-8", "replace"):
        err.print(worded("{} is a context of somebody else; choose another name with --name", place), soft_wrap=True)
        sys.exit(EX_FALSE)
    found = endpoints.read(data)
    source = data / (contexts.SYSTEM if system else contexts.READER)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.unlink(missing_ok=True)
    if source.exists():
        place.symlink_to(source)
    elif system:
        err.print("the address of the system account is known where `mnemo up` runs; see docs/operations.md")
        sys.exit(EX_FALSE)
    else:
        reads_only = not found.nats_elsewhere
        if not reads_only:
            err.print("this context has the user that `mnemo up` was given, with all its rights")
        write_private(place, contexts.content(found.reading().nats_url, str(data), reads_only=reads_only))
    return place


def made_by_us(data: Path) -> list[Path]:
    """Contexts that lead to this data folder, or say that they are of it."""
    mine = f"{contexts.MARK} ({data})"
    links = [file for file in folder().glob("*.json") if file.is_symlink() and file.readlink().parent == data]
    files = [file for file in folder().glob("*.json") if not file.is_symlink()]
    return links + [file for file in files if mine in file.read_text("utf-8", "replace")]


def folder() -> Path:
    """Where the nats CLI looks for contexts."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config") / "nats" / "context"


COMMANDS = (nats_context,)
