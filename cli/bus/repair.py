"""`mnemo doctor --repair`: streams, consumers, passwords, and the proof that nothing is skipped."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mnemostream.archive import again, copies
from mnemostream.cli import api
from mnemostream.cli.console import Lines, err, steps, worded
from mnemostream.contracts.reasons import counted
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.folder import in_use
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import provision
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.settings import load


def repair_all(folder: Path) -> None:
    """Streams and consumers as they should be, what a consumer has skipped read again, and the proof from the log."""
    if Secrets.damaged(folder) and not in_use(folder):
        Secrets.renewed(folder)
        err.print("new passwords were made: the next `mnemo up` gives them to the servers, no data is lost")
    try:
        where = api.running_at(folder)
        environ = {**os.environ, "MNEMO_NATS_URL": where.nats_url}
        environ.pop("MNEMO_NATS_URL_FILE", None)
        wanted = load(provision.Settings, None, environ)  # a new size, too
        asyncio.run(provision.main(wanted, asyncio.Event(), repair=True))
        err.print("streams and consumers match the topology")
        healed = asyncio.run(_heal(where))
    except (api.CannotTell, copies.Unreachable, Transient, Misconfigured) as error:
        err.print(worded("not repaired: {}", Lines(error)), soft_wrap=True)
        return
    for consumer in healed.read_again:
        err.print(worded("{} had skipped messages; it has read its stream again", consumer), soft_wrap=True)
    if healed.embedded_again:
        err.print(worded("missing vectors were made: {}", counted(healed.embedded_again, "message")), soft_wrap=True)
    for problem in healed.problems:
        err.print(worded("  {}", problem), soft_wrap=True)
    if healed.proved:
        words = "proved from the log: {} in the database, every text has its vector"
        err.print(worded(words, counted(healed.transcripts, "transcript")), soft_wrap=True)
    else:
        words = (
            "not proved: {h.waiting} messages wait, {skipped} transcripts lack parts, {h.texts_without_vector} texts"
        )
        words += " lack a vector; see `mnemo deadletters` and run this again"
        err.print(worded(words, h=healed, skipped=len(healed.skipped)), soft_wrap=True)


async def _heal(where: Endpoints) -> again.Healed:
    async with copies.opened(where) as archive:
        with steps("reading") as tell:
            return await again.heal(archive, tell)
