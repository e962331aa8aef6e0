"""Makes a backup and proves it; restores one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from mnemostream.archive.backup import book
from mnemostream.archive.backup.book import Damaged, Manifest, Tell
from mnemostream.archive.backup.proof import Proof, proved
from mnemostream.local import endpoints, folder, nats_conf
from mnemostream.local.backup import log
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets, durable, write_private
from mnemostream.runtime.heartbeat import service_version

RESTORING = ".restoring"
"""Folder in the data folder in which a restore works; what one that was killed left there is removed."""


class InTheWay(Exception):
    """There is an archive already."""


async def backup(data: Path, file: Path, now: float, tell: Tell) -> tuple[Manifest, Proof]:
    """Writes `file`, restores it on a server of its own, and reads all of it. `now` in Unix seconds.

    Raises Damaged, NotRunning, Busy, Transient, RuntimeError, OSError.
    """
    roots: tuple[str, ...] = ()
    if (data / "endpoints.json").exists():
        roots = endpoints.read(data).roots
    about = Manifest(made_at=now, version=service_version(), host=folder.host_name(data), roots=roots)
    async with log.opened(data) as bus:
        manifest = await book.write(bus, file, about, tell)
    return manifest, await check(file, tell)


async def check(file: Path, tell: Tell) -> Proof:
    """Restores a backup beside it, reads it, and removes what was restored. Raises Damaged, RuntimeError, OSError."""
    manifest = book.read(file)
    scratch = Path(tempfile.mkdtemp(prefix=".mnemo-check-", dir=file.resolve().parent))
    try:
        return await _restored(file, manifest, scratch, tell)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def restore(file: Path, data: Path, tell: Tell) -> tuple[Manifest, Proof]:
    """Makes a data folder out of a backup; the database is made from the log by the next `mnemo up`.

    It is whole or not there: killed meanwhile, it can be repeated. Raises InTheWay, Damaged, RuntimeError, OSError.
    """
    manifest = book.read(file)
    folder.owned(data)
    database = Postgres(data, 0, Secrets({user: "" for user in nats_conf.USERS}, "", "", "")).folder
    for place in (data / "nats", database):
        if place.exists():
            raise InTheWay(f"{place} belongs to another archive: specify another --data, or move it away")
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    with folder.lock(data):
        scratch = data / RESTORING
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            proof = await _restored(file, manifest, scratch, tell)
            if proof.problems:
                raise Damaged(f"{file}: {proof.problems[0]} ({len(proof.problems)} problems in all)")
            write_private(data / folder.HOST, manifest.host.encode())
            (scratch / "nats").rename(data / "nats")
            durable(data)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest, proof


async def _restored(file: Path, manifest: Manifest, scratch: Path, tell: Tell) -> Proof:
    scratch.mkdir(mode=0o700, exist_ok=True)
    async with log.alone(scratch) as bus:
        await book.put_back(bus, file, manifest, tell)
        return await proved(bus, tell)
