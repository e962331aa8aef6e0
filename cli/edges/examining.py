"""`mnemo doctor` on an edge: does its watcher run, is the server reached and the password taken?"""

from __future__ import annotations

from pathlib import Path

from mnemostream.cli.edges.joining import shipped
from mnemostream.cli.edges.watching import now_of
from mnemostream.cli.examine import Check
from mnemostream.local.edges.joined import Joined
from mnemostream.runtime.errors import Misconfigured, Transient


async def checks(data: Path, server: Joined) -> list[Check]:
    """Of the watcher, and of the way to the server."""
    told = now_of(data, server)
    remedy = "" if told.status == "healthy" else "see logs/watcher.log in the data folder"
    found = [Check("edge", "ok" if told.status == "healthy" else "wrong", f"{told.edge}: {told.cause}", remedy)]
    try:
        known = await shipped(server)
        found.append(Check("server", "ok", f"{server.server} answers, and has {known} transcripts of this machine"))
    except (Transient, Misconfigured) as error:
        found.append(
            Check("server", "wrong", str(error), "is it up, its port open, and this edge still invited there?")
        )
    return found
