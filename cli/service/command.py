"""`mnemo service install | status | logs | restart | uninstall`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNHEALTHY,
    data_option,
    err,
    existing,
    failed,
    json_option,
    out,
    print_json,
    worded,
)
from mnemostream.cli.service.stop import down
from mnemostream.cli.service.uninstall import uninstall as uninstall_all
from mnemostream.local import endpoints, folder
from mnemostream.local.service import detached, manager
from mnemostream.local.service.manager import CannotManage, Manager
from mnemostream.runtime.process.home import home

LINES = 40


@click.group("service")
def service() -> None:
    """Run for good: a service that survives logout and reboot (systemd, launchd)."""


@contextmanager
def managed(data: str | None) -> Iterator[tuple[Path, Manager]]:
    """The data folder and its service manager; what cannot be managed is told, and leaves with 2."""
    place = endpoints.data_folder(data)
    try:
        one = manager.of_this_machine(place, home())
        if one.file.exists() and not one.is_of_this_folder():
            raise CannotManage(f"the service runs on another folder than {place}; see --data in {one.file}")
        yield place, one
    except CannotManage as error:
        failed("cannot do it", error)
        sys.exit(EX_UNHEALTHY)


@service.command("install", short_help="Install and start the service.")
@click.option(
    "--source", "folders", multiple=True, help="FOLDER or ASSISTANT=FOLDER with transcripts, or `defaults`; repeatable."
)
@click.option("--embedders", default=1, show_default=True, type=click.IntRange(0, 64), help="Embedder processes.")
@data_option
@json_option
def install(folders: tuple[str, ...], embedders: int, data: str | None, as_json: bool) -> None:
    """Write a service that runs `mnemo up`, enable and start it. Repeated, it takes the new options.

    The service gets the MNEMO_* variables of this moment.
    """
    with managed(data) as (place, one):
        if folder.in_use(place) and one.state() != "active":
            raise CannotManage(f"Mnemostream runs on {place}: stop it first with `mnemo down`")
        roots = existing(folders)
        wrote = one.install(detached.command(place, roots, embedders, {}), os.environ)
        if as_json:
            print_json({"manager": one.name, "wrote": list(map(str, wrote)), "state": one.state()})
        else:
            for file in wrote:
                out.print(worded("wrote {}", file), soft_wrap=True)
            out.print(worded("{} runs it: {}, now and after a reboot", one.name, one.state()))
        if one.warning:
            err.print(worded("[yellow]{}[/]", one.warning), soft_wrap=True)
        err.print("`mnemo status` shows how it is, `mnemo service logs` what it said")


@service.command("status", short_help="Show whether it is installed and active.")
@data_option
@json_option
def status(data: str | None, as_json: bool) -> None:
    """Exit code 0 if the service is active."""
    with managed(data) as (place, one):
        state = one.state()
        if as_json:
            print_json({"manager": one.name, "state": state, "file": str(one.file), "data": str(place)})
        else:
            out.print(worded("{}: {}  ({})", one.name, state, one.file), soft_wrap=True)
    sys.exit(0 if state in ("active", "activating") else EX_FALSE)


@service.command("logs", short_help="Print the last lines of its log.")
@click.option("-n", "count", default=LINES, show_default=True, type=click.IntRange(1), help="Lines.")
@data_option
@json_option
def logs(count: int, data: str | None, as_json: bool) -> None:
    """Print what `mnemo up` said last; logs/ in the data folder has one file for each process."""
    file = endpoints.data_folder(data) / "logs" / "mnemo.log"
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        err.print(worded("there is no log yet in {}: nothing was started on this folder, `mnemo up` does", file.parent))
        sys.exit(EX_FALSE)
    except OSError as error:
        err.print(worded("no log: {}: {}", file, error.strerror), soft_wrap=True)
        sys.exit(EX_FALSE)
    if as_json:
        print_json({"file": str(file), "lines": lines})
        return
    for line in lines:
        out.print(worded("{}", line), soft_wrap=True)


@service.command("restart", short_help="Stop and start it.")
@data_option
@json_option
def restart(data: str | None, as_json: bool) -> None:
    """Returns when it runs again."""
    with managed(data) as (_, one):
        if one.state() == "not installed":
            raise CannotManage("there is no service: `mnemo service install` makes one")
        one.restart()
        if as_json:
            print_json({"manager": one.name, "state": one.state()})
        else:
            out.print(worded("{}: {}", one.name, one.state()))


@service.command("uninstall", short_help="Stop it and remove it; the data stays.")
@data_option
@json_option
def uninstall(data: str | None, as_json: bool) -> None:
    """Stop and remove the service. The archive stays where it is."""
    with managed(data) as (place, one):
        removed = one.uninstall()
        if as_json:
            print_json({"removed": list(map(str, removed)), "data": str(place)})
            return
        for file in removed:
            out.print(worded("removed {}", file), soft_wrap=True)
        out.print(worded("the archive stays in {}", place), soft_wrap=True)


COMMANDS = (service, down, uninstall_all)
