"""Backups at an interval, made by `mnemo up`."""

from __future__ import annotations

import asyncio
import glob
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from mnemostream.archive.backup import book
from mnemostream.archive.backup.book import SUFFIX, Damaged
from mnemostream.archive.backup.store import Store
from mnemostream.local.backup.made import prefix
from mnemostream.local.child import service_env
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.process.command import python
from mnemostream.runtime.tasks import cancel_and_wait

LOOK_SECONDS = 60.0
HOUR = 3600.0
HOURS = 24.0
KEEP = 7


class Schedule(msgspec.Struct, frozen=True):
    """Where to, how often, how many are kept, and of which installation: others may keep theirs in the same folder."""

    folder: Path
    hours: float = HOURS
    keep: int = KEEP
    host: str = ""

    @property
    def prefix(self) -> str:
        """What the names of its files begin with; the time follows."""
        return prefix(self.host)

    def newest(self) -> float:
        """When the newest was made, Unix seconds; -inf if there is none. Raises OSError."""
        return max((file.stat().st_mtime for file in self.kept()), default=float("-inf"))

    def due(self, now: float) -> bool:
        """True if the newest is older than it should be. Raises OSError."""
        return now - self.newest() > self.hours * HOUR

    def kept(self) -> list[Path]:
        """Its backups, the oldest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(file for file in found if self._is_ours(file.name))

    def _is_ours(self, name: str) -> bool:
        return bool(re.fullmatch(re.escape(self.prefix) + r"\d{4}-\d\d-\d\dT\d{6}Z" + re.escape(SUFFIX), name))

    def prune(self, now: float) -> None:
        """Removes all but the newest, and the pieces that no backup in the folder needs; none where a backup of others
        cannot be read. Raises Damaged, Misconfigured, OSError."""
        for file in self.kept()[: -self.keep]:
            file.unlink(missing_ok=True)
        Store(self.folder).sweep(book.used(self.folder), now)

    def tidy(self) -> None:
        """Removes what one of ours that was killed has left. Raises OSError."""
        for left in self.folder.glob(f".{glob.escape(self.prefix)}*"):
            if self._is_ours(left.name[1:].partition(SUFFIX)[0] + SUFFIX):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def of(environ: Mapping[str, str], host: str = "") -> Schedule | None:
    """What the environment wants; None = nothing. Raises Misconfigured."""
    folder = environ.get("MNEMO_LOCAL_BACKUP_FOLDER", "")
    if not folder:
        return None
    try:
        hours = float(environ.get("MNEMO_LOCAL_BACKUP_HOURS") or HOURS)
        keep = int(environ.get("MNEMO_LOCAL_BACKUP_KEEP") or KEEP)
    except ValueError as error:
        raise Misconfigured(f"MNEMO_LOCAL_BACKUP_HOURS, MNEMO_LOCAL_BACKUP_KEEP: {error}") from error
    if hours <= 0 or keep < 1:
        raise Misconfigured("MNEMO_LOCAL_BACKUP_HOURS must be above 0, MNEMO_LOCAL_BACKUP_KEEP at least 1")
    return Schedule(Path(folder).expanduser().resolve(), hours, keep, host)


@asynccontextmanager
async def running(data: Path, schedule: Schedule | None, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Makes backups meanwhile."""
    task = asyncio.create_task(follow(schedule, data, say), name="backups") if schedule else None
    try:
        yield
    finally:
        await cancel_and_wait(*filter(None, (task,)))


async def follow(schedule: Schedule, data: Path, say: Callable[[str], None], every: float = LOOK_SECONDS) -> None:
    """Makes backups when they are due, until cancelled; one that fails is told and tried again an hour later."""
    clock, failed = SystemClock(), float("-inf")
    while True:
        now = clock.now()
        if now - failed > HOUR and (problem := await _made(schedule, data, now)):
            failed = now
            say(f"backup: {problem}")
        await asyncio.sleep(every)


async def _made(schedule: Schedule, data: Path, now: float) -> str:
    """Why not; "" if none was due, or it was made and proved. By a process of its own: it reads the whole log."""
    try:
        if not schedule.due(now):
            return ""
        schedule.folder.mkdir(parents=True, exist_ok=True)
        schedule.tidy()
        process = await asyncio.create_subprocess_exec(
            *python("mnemostream", "backup", str(schedule.folder), "--data", str(data)),
            env=service_env(dict(os.environ)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.terminate()  # it removes what it has begun
                await process.wait()
        if process.returncode:
            return errors.decode("utf-8", "replace").strip() or f"exit code {process.returncode}"
    except OSError as error:
        return str(error)
    try:
        schedule.prune(now)
    except (OSError, Damaged, Misconfigured) as error:
        return f"it was made, but nothing that is no longer needed was removed: {error}"
    return ""
