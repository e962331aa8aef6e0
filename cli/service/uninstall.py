"""`mnemo uninstall`: takes away what commands have set up, and with `--purge` the archive."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mnemostream.cli.bus import nats_context
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
from mnemostream.cli.mcp import clients
from mnemostream.cli.service.stop import stopped
from mnemostream.local import endpoints, folder
from mnemostream.local.service import manager, purge
from mnemostream.local.service.manager import CannotManage
from mnemostream.runtime.process.home import home


@click.command("uninstall", short_help="Remove what was set up here; --purge also deletes the archive.")
@click.option("--purge", "purged", is_flag=True, help="Also delete the archive: every transcript that is in it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@data_option
@json_option
def uninstall(purged: bool, yes: bool, data: str | None, as_json: bool) -> None:
    """Stop what runs; remove the service, the entries of MCP in assistants' settings, and contexts of the nats CLI.

    The archive stays, unless --purge is given. Then remove the program as you installed it,
    for example with `pipx uninstall mnemostream`.
    """
    place = endpoints.data_folder(data)
    if purged:
        _asked(place, yes)
    removed = _service(place)
    if not stopped(place):
        sys.exit(EX_UNHEALTHY)
    removed += [client.file() for client in clients.CLIENTS.values() if _unwired(client, place)]
    for file in nats_context.made_by_us(place):
        file.unlink()
        removed.append(file)
    left = _purged(place) if purged else []
    if as_json:
        print_json({"removed": list(map(str, removed)), "data": str(place), "purged": purged, "left": left})
        return
    for file in removed:
        is_ours = file not in {client.file() for client in clients.CLIENTS.values()}
        out.print(worded("removed {}" if is_ours else "took Mnemostream out of {}", file))
    if purged:
        out.print(worded("deleted the archive in {}", place))
    else:
        out.print(worded("the archive stays in {}", place))
    if left:
        err.print(worded("what is not ours stays there: {}", ", ".join(left)))
    err.print("to remove the program: pipx uninstall mnemostream, or delete its environment")


def _asked(place: Path, yes: bool) -> None:
    """Leaves if nothing may be deleted, or the person does not want it."""
    if not place.exists():
        failed("nothing to delete", f"there is no archive in {place}")
        sys.exit(EX_FALSE)
    if why := purge.refusal(place):
        failed("nothing was changed", why)
        sys.exit(EX_UNHEALTHY)
    if not yes:
        asked = worded(
            "Delete the archive in {} ({:.1f} MB)? Nobody can bring it back.", place, purge.size(place) / 1e6
        )
        if not click.confirm(asked.plain, default=False, err=True):
            err.print("nothing was changed")
            sys.exit(EX_FALSE)


def _service(place: Path) -> list[Path]:
    """The service of this folder, if there is one: what was removed."""
    try:
        one = manager.of_this_machine(place, home())
    except CannotManage:  # neither systemd nor launchd: there is none
        return []
    if not one.file.exists() or not one.is_of_this_folder():
        return []
    try:
        return one.uninstall()
    except CannotManage as error:
        err.print(worded("[red]the service stays:[/] {}", error))
        sys.exit(EX_UNHEALTHY)


def _unwired(client: clients.Client, place: Path) -> bool:
    """True if its settings named our server with this data folder, and do no longer."""
    if not client.file().exists():
        return False
    try:
        before, after = clients.plan(client, None)
        if str(place) not in before and place != endpoints.data_folder(None):
            return False
        if before != after:
            clients.write(client, before, after)
        return before != after
    except (clients.Unreadable, OSError) as error:
        err.print(worded("[yellow]{} stays as it is:[/] {}", client.title, error))
        return False


def _purged(place: Path) -> list[str]:
    """The names of what is not ours, and stays."""
    try:
        left = purge.delete(place)
    except (OSError, RuntimeError, folder.Busy) as error:
        failed("the archive is not deleted", error)
        sys.exit(EX_UNHEALTHY)
    if endpoints.given(None, None).variables:
        err.print("streams and tables on servers of your own stay: docs/operations.md has their names")
    return left
