"""Makes a backup and proves it; restores one."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mnemostream.archive.backup import book
from mnemostream.archive.backup.book import PARTIAL, SUFFIX, Damaged, Manifest, Tell
from mnemostream.archive.backup.proof import Proof, proved
from mnemostream.archive.backup.store import Store
from mnemostream.local import endpoints, folder, nats_conf, nats_server
from mnemostream.local.backup import log
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets, write_private
from mnemostream.runtime.disk.durable import durable
from mnemostream.runtime.heartbeat import service_version


class InTheWay(Exception):
    """There is an archive already."""


async def backup(data: Path, place: Path, now: float, tell: Tell) -> tuple[Path, Proof]:
    """Writes a backup beside `place`, restores it on a server of its own, reads all of it, and then gives it its name:
    a former one is replaced by one that is proved. A `place` that is a folder gets one with a name of its own, which
    shares its pieces with the others there. `now` in Unix seconds. Returns its file, too.

    Raises Damaged, NotRunning, Busy, Transient, RuntimeError, OSError.
    """
    nats_server.program()
    where = _known(data)
    host = where.host if where else ""
    if not (where and where.elsewhere):
        folder.owned(data)
    about = Manifest(
        made_at=now,
        version=service_version(),
        host=host or os.environ.get("MNEMO_HOST", "") or folder.known_host(data),
        roots=where.roots if where else (),
    )
    store = Store(place) if place.is_dir() else None
    file = place / named(about.host, now) if store else place
    partial = file.with_name(f".{file.name}{PARTIAL}")
    partial.unlink(missing_ok=True)  # of one that was killed
    try:
        async with log.opened(data) as bus:
            await book.write(bus, partial, about, tell, store)
        proof = await check(partial, tell)
        if not proof.problems:
            partial.replace(file)
            durable(file.resolve().parent)
            proof.written = store.new_bytes if store else file.stat().st_size
        return file, proof
    finally:
        partial.unlink(missing_ok=True)


def named(host: str, now: float) -> str:
    """Of a backup in a folder of them: whose it is, and when it was made."""
    return f"{prefix(host)}{datetime.fromtimestamp(now, UTC).strftime('%Y-%m-%dT%H%M%SZ')}{SUFFIX}"


def prefix(host: str) -> str:
    """What the names of one installation begin with."""
    return f"mnemostream-{host}-"


def _known(data: Path) -> Endpoints | None:
    with suppress(endpoints.NotRunning):
        return endpoints.read(data)
    return None


async def check(file: Path, tell: Tell) -> Proof:
    """Restores a backup beside it, reads it, and removes what was restored. Raises Damaged, RuntimeError, OSError."""
    manifest = book.read(file)
    scratch = file.resolve().with_name(f".{file.name.removeprefix('.')}.check")
    shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
    try:
        return await _restored(file, manifest, scratch, tell)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def restore(file: Path, data: Path, tell: Tell) -> tuple[str, Proof]:
    """Makes a data folder out of a backup; the database is made from the log by the next `mnemo up`. Returns the name
    of the installation.

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
        scratch = data / folder.RESTORING
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            proof = await _restored(file, manifest, scratch, tell)
            if proof.problems:
                raise Damaged(f"{file}: {proof.problems[0]} ({len(proof.problems)} problems in all)")
            host = manifest.host or proof.host
            if host:
                write_private(data / folder.HOST, host.encode())
            (scratch / "nats").rename(data / "nats")
            durable(data)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return host, proof


async def _restored(file: Path, manifest: Manifest, scratch: Path, tell: Tell) -> Proof:
    scratch.mkdir(mode=0o700, exist_ok=True)
    async with log.alone(scratch) as bus:
        await book.put_back(bus, file, manifest, tell)
        return await proved(bus, tell)
