"""`mnemo secrets`: sessions that hold passwords, tokens and keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec

from mnemostream.archive import copies, secrets
from mnemostream.cli.console import (
    EX_FALSE,
    data_option,
    err,
    json_option,
    out,
    print_json,
    reveal_option,
    reveals,
    run,
    worded,
)
from mnemostream.local import endpoints
from mnemostream.runtime.secrets.scan import scanner


@click.command("secrets", short_help="List sessions that contain secrets.")
@click.argument("session", required=False)
@click.option("--kind", default="", metavar="KIND", help="Only this kind, such as github-pat.")
@reveal_option
@data_option
@json_option
def secrets_command(session: str | None, kind: str, data: str | None, as_json: bool) -> None:
    """List sessions that contain passwords, tokens or keys; with SESSION, where each one is.

    Values are masked unless --reveal is given. Exit code 0 if there are none, 1 otherwise.
    """
    folder = endpoints.data_folder(data)
    if session:
        found = run(_places(folder, session, kind))
        if as_json:
            print_json(found if reveals() else [msgspec.structs.replace(place, value="") for place in found])
        else:
            _print_places(found)
        sys.exit(EX_FALSE if found else 0)
    listing = run(_listing(folder, kind))
    if as_json:
        print_json(listing)
    else:
        _print_sessions(listing)
    if listing.not_looked:
        words = "{} transcripts were archived before secrets were recognised; run `mnemo replay --reparse`"
        err.print(worded(words, listing.not_looked), soft_wrap=True)
    sys.exit(EX_FALSE if listing.sessions else 0)


async def _listing(data: Path, kind: str) -> secrets.Listing:
    async with copies.opened(endpoints.read(data).reading()) as opened:
        return await secrets.listing(opened, kind)


async def _places(data: Path, session: str, kind: str) -> list[secrets.Place]:
    rules = scanner(os.environ.get("MNEMO_SECRET_RULES", ""))
    async with copies.opened(endpoints.read(data).reading()) as opened:
        return [place async for place in secrets.places(opened, session, rules) if kind in ("", place.kind)]


def _print_sessions(listing: secrets.Listing) -> None:
    for session in listing.sessions:
        head = "[bold]{:>5}[/]  {}  [cyan]{}[/]  {}"
        figures = (session.secrets, session.session_id, session.project or "?", session.source)
        out.print(worded(head, *figures), soft_wrap=True)
        kinds = ", ".join(f"{count} {kind}" for kind, count in session.kinds.items())
        out.print(worded("       {}", kinds), soft_wrap=True)
    words = "{} secrets in {} sessions" if listing.sessions else "no secrets found"
    out.print(worded(words, listing.secrets, len(listing.sessions)))
    if listing.sessions:
        err.print("`mnemo secrets SESSION` shows where; revoke what is still valid", soft_wrap=True)


def _print_places(found: list[secrets.Place]) -> None:
    for place in found:
        shown = place.value if reveals() else f"{len(place.value)} characters"
        out.print(worded("{}:{}  [bold]{}[/]  {}", place.file, place.line, place.kind, shown), soft_wrap=True)
    if not found:
        out.print("no secrets found")
