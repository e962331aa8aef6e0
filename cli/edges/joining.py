"""`mnemo join` and `mnemo leave`: this machine as an edge of a server elsewhere."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import click

from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNHEALTHY,
    EX_USAGE,
    data_option,
    err,
    failed,
    json_option,
    out,
    print_json,
    worded,
)
from mnemostream.contracts import subjects, topology
from mnemostream.local import endpoints, folder
from mnemostream.local.edges import joined
from mnemostream.local.edges.joined import Joined
from mnemostream.runtime import bus, streams
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.streams import Selection

ANSWER_SECONDS = 10.0
OWN_ARCHIVE = ("secrets.json", "nats", "postgres")
"""Entries of a data folder that has an archive of its own."""


@click.command("join", short_help="Ship this machine's transcripts to a server.")
@click.argument("url")
@data_option
@json_option
def join(url: str, data: str | None, as_json: bool) -> None:
    """Make this machine an edge of the server that gave the address URL (`mnemo edge invite` there); - reads it from
    standard input, where nobody else sees it.

    From then on `mnemo up` and `mnemo service install` run a watcher here and nothing else.
    """
    place = endpoints.data_folder(data)
    if folder.in_use(place):
        failed("not joined", folder.Busy(place))
        sys.exit(EX_UNHEALTHY)
    if any((place / name).exists() for name in OWN_ARCHIVE):
        failed("not joined", f"{place} holds an archive of its own: choose another folder with --data")
        sys.exit(EX_FALSE)
    try:
        server = joined.parse(sys.stdin.readline().strip() if url == "-" else url)
        known = asyncio.run(shipped(server))
    except ValueError as error:
        failed("not joined", error)
        sys.exit(EX_USAGE)
    except (Transient, Misconfigured) as error:
        failed("not joined", error)
        sys.exit(EX_UNHEALTHY)
    joined.write(place, server)
    if as_json:
        print_json({"edge": server.edge, "server": server.server, "data": str(place), "transcripts": known})
        return
    out.print(worded("joined {} as {}", server.server, server.edge))
    err.print("`mnemo service install` ships from now on, `mnemo up` until Ctrl-C; `mnemo status` shows it")


async def shipped(server: Joined) -> int:
    """Transcripts that the server has of this edge. Raises Transient, Misconfigured where it is not let in."""
    async with bus.connect(server.url, f"mnemo join {server.edge}", within=ANSWER_SECONDS) as connection:
        which = Selection(filters=[subjects.changed_at(server.edge)], last=True, headers=True)
        async with aclosing(streams.read(connection, topology.TRANSCRIPTS.name, which)) as messages:
            return sum([1 async for _ in messages])


@click.command("leave", short_help="Ship no more to the server that was joined.")
@data_option
@json_option
def leave(data: str | None, as_json: bool) -> None:
    """Forget the server. What was shipped stays there; `mnemo edge revoke` there shuts this machine out."""
    place: Path = endpoints.data_folder(data)
    server = joined.read(place)
    if server is None:
        failed("not left", f"{place} is of no edge")
        sys.exit(EX_FALSE)
    if folder.in_use(place):
        failed("not left", "it runs: `mnemo down` stops it, `mnemo service uninstall` for good")
        sys.exit(EX_UNHEALTHY)
    (place / joined.FILE).unlink()
    if as_json:
        print_json({"edge": server.edge, "server": server.server})
    else:
        out.print(worded("left {}", server.server))
