"""`mnemo doctor`: what is there, what is wrong, and how to mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import httpx
import msgspec

from contracts import sources
from contracts.sources import Root
from local import endpoints, retention
from runtime.files import walk

LOW_DISK_BYTES = 2 << 30


class Check(msgspec.Struct, frozen=True):
    """One finding: `ok`, `note` (nothing to do), or `wrong` with its remedy."""

    name: str
    state: str
    words: str
    remedy: str = ""


class Folder(msgspec.Struct, frozen=True):
    """One root of one assistant."""

    source: str
    title: str
    folder: str
    exists: bool
    watched: bool
    files: int = 0
    bytes: int = 0
    problem: str = ""


def folders(watched: list[Root] | None, environ: Mapping[str, str], home: Path) -> list[Folder]:
    """The default folders of all known assistants, and what else is watched; `watched` None = not running."""
    known = {os.path.realpath(root.folder): root for root in sources.defaults(environ, home)}
    extra = {os.path.realpath(root.folder): root for root in watched or []}
    found = []
    for folder, root in {**known, **{f: root for f, root in extra.items() if f not in known}}.items():
        problems: list[str] = []
        exists = os.path.isdir(folder)
        stats = [stat for _, stat in walk(folder, root.owns, problems)] if exists else []
        inside = watched is None or any(Path(folder).is_relative_to(other) for other in extra or known)
        title = sources.BY_NAME[root.source].title if root.source in sources.BY_NAME else "any assistant"
        size = sum(stat.size for stat in stats)
        problem = problems[0] if problems else ""
        found.append(Folder(root.source, title, folder, exists, exists and inside, len(stats), size, problem))
    return found


async def checks(data: Path, environ: Mapping[str, str], home: Path) -> tuple[list[Folder], list[Check]]:
    """Everything that can be looked at, whether the system runs or not."""
    found: list[Check] = []
    try:
        where = endpoints.read(data)
        async with httpx.AsyncClient(timeout=3) as client:
            answer = await client.get(f"{where.health_url}/readyz")
        running = True
        state = "ok" if answer.status_code == 200 else "wrong"
        words = answer.text if state == "wrong" else f"answers at {where.health_url}"
        found.append(Check("health", state, words, "see `mnemo status`" if state == "wrong" else ""))
    except (endpoints.NotRunning, httpx.HTTPError) as error:
        running = False
        found.append(Check("health", "wrong", f"nothing answers: {error}", "start it: `mnemo up`"))
    watched = [sources.parse(root) for root in where.roots] if running else None
    places = folders(watched if watched is None or watched else sources.defaults(environ, home), environ, home)
    found += [
        Check("folder", "wrong", f"{p.folder}: {p.problem}", "let the user who runs the watcher read it")
        for p in places
        if p.problem
    ]
    if not any(place.files for place in places):
        found.append(Check("folders", "note", "no transcripts of any assistant found", "name a folder with --source"))
    free = shutil.disk_usage(data if data.exists() else data.parent if data.parent.exists() else home).free
    low = free < LOW_DISK_BYTES
    remedy = "free some space: capture pauses when the disk is full" if low else ""
    found.append(Check("disk", "wrong" if low else "ok", f"{free / 1e9:.1f} GB free at {data}", remedy))
    if running:
        found += await _database(where.postgres_dsn, environ, home)
    return places, found


async def _database(dsn: str, environ: Mapping[str, str], home: Path) -> list[Check]:
    try:
        database = await asyncpg.connect(dsn, timeout=5, command_timeout=30)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [Check("database", "wrong", f"does not answer: {error}", "see logs/postgres.log in the data folder")]
    try:
        guard = await retention.guard(database, environ, home)
    finally:
        await database.close(timeout=5)
    found = [Check("database", "ok", "answers")]
    if guard:
        remedy = "" if guard.safe else "wait until `mnemo status` shows no gap, or raise cleanupPeriodDays"
        found.append(Check("retention", "ok" if guard.safe else "wrong", guard.words(), remedy))
        if guard.settings_error:
            found.append(Check("retention", "wrong", guard.settings_error, "mend Claude Code's settings.json"))
    return found
