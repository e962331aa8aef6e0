"""The commands."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNKNOWN,
    data_option,
    err,
    json_option,
    out,
    own_scanner,
    print_json,
    worded,
)
from mnemostream.cli.mcp import clients
from mnemostream.cli.mcp.clients import CLIENTS, Client, Unreadable
from mnemostream.local import endpoints

NAMES = tuple(sorted(CLIENTS))


@click.group("mcp", invoke_without_command=True, short_help="Let assistants search the archive (MCP).")
@click.option("--http", "port", type=click.IntRange(1, 65535), help="Serve streamable HTTP on this port of 127.0.0.1.")
@data_option
@click.pass_context
def mcp_group(context: click.Context, port: int | None, data: str | None) -> None:
    """Serve the Model Context Protocol to an assistant, which starts this command itself and talks over its standard
    input and output. `mnemo mcp install` tells it to.

    Tools: search, expand, read_session, recent. They read, mask secrets, and leave the running session out.
    """
    if context.invoked_subcommand:
        return
    from mnemostream.cli.mcp import http, server  # the SDK takes half a second to load: only who serves waits for it
    from mnemostream.cli.mcp.asking import Asking

    where = endpoints.data_folder(data)
    if port is None:
        asking = Asking(os.environ, server.folder())
        asyncio.run(server.build(where, own_scanner(), asking).run_stdio_async())
        return
    try:
        token = endpoints.read(where).health_token
    except endpoints.NotRunning as error:
        err.print(worded("cannot serve: {}", error), soft_wrap=True)
        sys.exit(EX_UNKNOWN)
    if not token:
        err.print("cannot serve: the health service has no token; set MNEMO_LOCAL_HEALTH_TOKEN")
        sys.exit(EX_UNKNOWN)
    err.print(worded("http://127.0.0.1:{}{}  (token: `health_token` in {})", port, http.PATH, where / "endpoints.json"))
    asyncio.run(http.server(server.build(where, own_scanner(), Asking({}, None)), token, port).serve())


def _change(names: tuple[str, ...], yes: bool, as_json: bool, wanted: clients.Command | None) -> None:
    """Shows what would change in each file, asks, and writes. None removes."""
    failed, changed = False, []
    for client in [CLIENTS[name] for name in names] or [one for one in CLIENTS.values() if one.present()]:
        try:
            done = _changed(client, yes, as_json, wanted)
            failed |= done is None
            changed += [str(client.file())] if done else []
        except (Unreadable, OSError) as error:
            err.print(worded("[red]{}:[/] {}", client.name, error), soft_wrap=True)
            failed = True
    if not names and not any(one.present() for one in CLIENTS.values()):
        err.print(worded("no assistant found; name one: {}", ", ".join(NAMES)), soft_wrap=True)
        failed = True
    if as_json:
        print_json({"changed": changed})
    sys.exit(EX_FALSE if failed else 0)


def _changed(client: Client, yes: bool, as_json: bool, wanted: clients.Command | None) -> bool | None:
    """False if there was nothing to change, None if the person did not want it. With JSON, words go to stderr."""
    file, say = client.file(), err if as_json else out
    before, after = clients.plan(client, wanted)
    if before == after:
        say.print(worded("{}: nothing to change in {}", client.name, file), soft_wrap=True)
        return False
    for line in clients.difference(before, after, str(file)):
        style = {"+": "green", "-": "red"}.get(line[:1])
        say.print(worded(f"[{style}]{{}}[/]" if style else "{}", line), soft_wrap=True)
    if not yes and not click.confirm(f"Change {client.title}?", default=False, err=True):
        err.print("nothing was changed")
        return None
    clients.write(client, before, after)
    say.print(worded("{}: changed {}; restart it to take effect", client.name, file), soft_wrap=True)
    return True


@mcp_group.command("install", short_help="Tell assistants to use it.")
@click.argument("assistants", nargs=-1, type=click.Choice(NAMES))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@data_option
@json_option
def install_command(assistants: tuple[str, ...], yes: bool, data: str | None, as_json: bool) -> None:
    """Add this server to the settings of ASSISTANTS (default: all that are found here).

    Shows the change and asks first.
    """
    chosen = ["--data", str(Path(data).expanduser().resolve())] if data else []
    _change(assistants, yes, as_json, clients.Command(clients.program(), ["mcp", *chosen]))


@mcp_group.command("uninstall", short_help="Undo that.")
@click.argument("assistants", nargs=-1, type=click.Choice(NAMES))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option
def uninstall_command(assistants: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Take this server out of the settings of ASSISTANTS again."""
    _change(assistants, yes, as_json, None)
