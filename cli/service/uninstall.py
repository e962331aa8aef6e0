"""`mnemo uninstall`: takes away what commands have set up, and with `--purge` the archive."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mnemostream.cli.bus import nats_context
from mnemostream.cli.console import EX_FALSE, EX_UNHEALTHY, data_option, err, out, worded
from mnemostream.cli.mcp import clients
from mnemostream.cli.service.stop import stopped
from mnemostream.local import endpoints
from mnemostream.local.service import manager, purge
from mnemostream.local.service.manager import CannotManage
from mnemostream.runtime.process.home import home


@click.command("uninstall", short_help="Remove what was set up here; --purge also deletes the archive.")
@click.option("--purge", "purged", is_flag=True, help="Also delete the archive: every transcript that is in it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@data_option
def uninstall(purged: bool, yes: bool, data: str | None) -> None:
    """Stop what runs; remove the service, the entries of MCP in assistants' settings, and contexts of the nats CLI.

    The archive stays, unless --purge is given. Then remove the program as you installed it,
    for example with `pipx uninstall mnemostream`.
    """
    place = endpoints.data_folder(data)
    if purged and not yes:
        asked = worded(
            "Delete the archive in {} ({:.1f} MB)? Nobody can bring it back.", place, purge.size(place) / 1e6
        )
        if not click.confirm(asked.plain, default=False, err=True):
            err.print("nothing was changed")
            sys.exit(EX_FALSE)
    _service(place)
    if not stopped(place):
        sys.exit(EX_UNHEALTHY)
    for client in clients.CLIENTS.values():
        _unwired(client)
    for file in nats_context.made_by_us(place):
        file.unlink()
        out.print(worded("removed {}", file))
    if purged:
        _purged(place)
    else:
        out.print(worded("the archive stays in {}", place))
    err.print("to remove the program: pipx uninstall mnemostream, or delete its environment")


def _service(place: Path) -> None:
    """The service of this folder, if there is one."""
    try:
        one = manager.of_this_machine(place, home())
    except CannotManage:  # neither systemd nor launchd: there is none
        return
    if not one.file.exists() or not one.is_of_this_folder():
        return
    try:
        for file in one.uninstall():
            out.print(worded("removed {}", file))
    except CannotManage as error:
        err.print(worded("[red]the service stays:[/] {}", error))
        sys.exit(EX_UNHEALTHY)


def _unwired(client: clients.Client) -> None:
    if not client.file().exists():
        return
    try:
        before, after = clients.plan(client, None)
        if before != after:
            clients.write(client, before, after)
            out.print(worded("{}: took Mnemostream out of {}", client.title, client.file()))
    except (clients.Unreadable, OSError) as error:
        err.print(worded("[yellow]{} stays as it is:[/] {}", client.title, error))


def _purged(place: Path) -> None:
    try:
        left = purge.delete(place)
    except (OSError, RuntimeError) as error:
        err.print(worded("[red]the archive is not deleted:[/] {}", error))
        sys.exit(EX_UNHEALTHY)
    out.print(worded("deleted the archive in {}", place))
    if left:
        err.print(worded("what is not ours stays there: {}", ", ".join(left)))
    if endpoints.given(None, None).variables:
        err.print("streams and tables on servers of your own stay: docs/operations.md has their names")
