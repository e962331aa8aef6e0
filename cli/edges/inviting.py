"""`mnemo edge invite | list | revoke`, on the server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import NoReturn

import click
import msgspec
import nats.errors
from rich.table import Table

from mnemostream.cli import api
from mnemostream.cli.console import (
    EX_FALSE,
    EX_USAGE,
    data_option,
    err,
    failed,
    json_option,
    local_time,
    out,
    print_json,
    worded,
)
from mnemostream.contracts import topology
from mnemostream.contracts.http.archive import Host, Hosts
from mnemostream.local import endpoints, folder
from mnemostream.local.edges import containers, joined, registry
from mnemostream.local.nats_server import Nats
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Misconfigured, Transient

CONTAINERS_ANEW = "docker compose up -d nats"
CONTAINERS_RELOAD = "docker compose kill -s HUP nats"


@click.group("edge")
def edge() -> None:
    """Other machines whose watchers ship to this server (docs/edge.md)."""


@edge.command("invite", short_help="Let another machine ship its transcripts here.")
@click.argument("name")
@click.option("--address", "where", default="", help="HOST[:PORT] at which it reaches this server; once is enough.")
@data_option
@json_option
def invite(name: str, where: str, data: str | None, as_json: bool) -> None:
    """Make a user for the machine NAME and print what to run there.

    The user may ship transcripts of its own and read no others. The address holds its password: hand it over like one.
    """
    place = _server(data)
    known = registry.read(place)
    try:
        if where or not known.address:
            known.address = registry.placed(where)
        made = registry.invited(known, name)
    except ValueError as error:
        failed("not invited", error)
        sys.exit(EX_USAGE)
    registry.certify(place, SystemClock().utc())
    registry.write(place, known)
    url = registry.url(place, known, made)
    step = _in_force(place)
    if as_json:
        print_json({"edge": made, "url": url, "next": step}, secret=True)
        return
    err.print(worded("{} may ship to {}. On that machine, with Mnemostream installed:", made, known.address))
    line = f"mnemo join '{url}'"
    click.echo(line)
    if step:
        err.print(worded("[yellow]before that:[/] {}", step), soft_wrap=True)


@edge.command("list", short_help="List the machines that ship here.")
@data_option
@json_option
def list_command(data: str | None, as_json: bool) -> None:
    """List every machine that has transcripts here, and those that are invited and have shipped none yet."""
    place = endpoints.data_folder(data)
    try:
        hosts = api.get(api.running_at(place), "hosts", Hosts).hosts
    except api.CannotTell as error:
        _ended("cannot list", error)
    there = {one.host for one in hosts}
    invited_only = [Host(name, edge=True) for name in registry.read(place).passwords if name not in there]
    if as_json:
        print_json({"hosts": msgspec.to_builtins([*hosts, *invited_only])})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("machine", "kind", "state", "last segment", "transcripts", "bytes", "to be shipped"):
        table.add_column(column, justify="right" if column in ("transcripts", "bytes", "to be shipped") else "left")
    for one in [*hosts, *invited_only]:
        backlog = "unknown" if one.backlog_bytes is None else f"{one.backlog_bytes:,}"
        at = local_time(one.last_at, "never")
        kind = "edge" if one.edge else "server"
        table.add_row(worded("{}", one.host), kind, one.state, at, f"{one.transcripts:,}", f"{one.bytes:,}", backlog)
    out.print(table)


@edge.command("revoke", short_help="Take a machine's right to ship away.")
@click.argument("name")
@data_option
@json_option
def revoke(name: str, data: str | None, as_json: bool) -> None:
    """Remove the user of the machine NAME. What it has shipped stays."""
    place = _server(data)
    known = registry.read(place)
    if known.passwords.pop(name, None) is None:
        _ended("not revoked", f"there is no edge {name}: `mnemo edge list` names them")
    registry.write(place, known)
    step = _in_force(place)
    if as_json:
        print_json({"edge": name, "next": step})
    else:
        out.print(worded("{} is shut out", name))
        if step:
            err.print(worded("[yellow]after this:[/] {}", step), soft_wrap=True)


def _server(data: str | None) -> Path:
    """The data folder of a server; others are told, and leave with 1."""
    place = endpoints.data_folder(data)
    if server := joined.read(place):
        _ended("this is no server", f"this machine ships to {server.server} as {server.edge}: run the command there")
    try:
        here = endpoints.read(place)
    except endpoints.NotRunning:
        return place
    if here.nats_elsewhere:
        _ended("not here", "this NATS is somebody else's: give the edge a user there (docs/edge.md)")
    return place


def _ended(what: str, why: object) -> NoReturn:
    failed(what, why)
    sys.exit(EX_FALSE)


def _in_force(place: Path) -> str:
    """Has the server take it; what a person must do for it, "" = nothing."""
    if endpoints.of_containers(place):
        return CONTAINERS_ANEW if containers.renew(place) else CONTAINERS_RELOAD
    if not folder.in_use(place):
        return "start the server: mnemo up"
    before = (place / "nats.conf").read_text()
    ports = [line for line in before.splitlines() if line.startswith("listen: ")]
    port = int(ports[0].rpartition(":")[2].strip('"'))
    server = Nats(place, port, Secrets.of(place).nats)
    server.spec()  # writes the configuration
    if "allow_non_tls" not in before:
        return "restart `mnemo up` (or `mnemo service restart`), so that it listens for other machines"
    return asyncio.run(_reload(server))


async def _reload(server: Nats) -> str:
    """The server reads its configuration again."""
    try:
        async with bus.connect(server.system_url, "mnemo edge", within=5) as connection:
            answer = await connection.client.request("$SYS.REQ.SERVER.PING.IDZ", b"", timeout=5)
            number = msgspec.json.decode(answer.data)["id"]
            done = await connection.client.request(topology.RELOAD.replace("*", number), b"", timeout=5)
            problem = msgspec.json.decode(done.data).get("error")
    except (Transient, Misconfigured, nats.errors.Error, TimeoutError, KeyError) as error:
        problem = error
    return f"restart the server: it does not take the new configuration ({problem})" if problem else ""
