"""The retention guard: what assistants will delete soon by age, and whether all of it is archived.

Claude Code deletes transcripts that were not changed for `cleanupPeriodDays` (default 30) when it starts;
https://docs.claude.com/en/docs/claude-code/settings. Gemini CLI those older than `general.sessionRetention.maxAge`
(default 30d); https://github.com/google-gemini/gemini-cli/blob/main/docs/cli/session-management.md.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from mnemostream.archive import queries
from mnemostream.contracts import sources
from mnemostream.contracts.reasons import counted
from mnemostream.runtime.disk.files import walk

DEFAULT_DAYS = 30.0
SOON_DAYS = 7.0
CLOCK_SECONDS = 2.0
"""How far the clocks of file systems and processes may lie apart."""


class Guard(msgspec.Struct):
    """Transcripts that will be deleted within `within_days`, and those among them that are not archived."""

    source: str
    folder: str
    cleanup_days: float
    within_days: float
    due: int = 0
    archived: int = 0
    missing: list[str] = []
    settings_error: str = ""

    @property
    def safe(self) -> bool:
        """True if nothing will be lost."""
        return not self.missing

    def summary(self) -> str:
        """One sentence for people."""
        if not self.due:
            return f"no transcript will be deleted within {self.within_days:.0f} days"
        start = f"{counted(self.due, 'transcript')} will be deleted within {counted(round(self.within_days), 'day')}"
        if self.safe:
            return f"{start}; all {self.due} are archived"
        return f"{start}; {len(self.missing)} of them are NOT archived: {', '.join(self.missing[:3])}"


def _told(file: Path) -> tuple[dict[str, Any], str]:
    """The settings in a file, {} if there are none, and what is wrong with it ("" = nothing)."""
    try:
        told = msgspec.json.decode(file.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except (OSError, msgspec.DecodeError) as error:
        return {}, f"{file}: {error}"
    return told if isinstance(told, dict) else {}, ""


def cleanup_days(environ: Mapping[str, str], home: Path) -> tuple[float, str]:
    """Days after which Claude Code deletes, and what is wrong with its settings file ("" = nothing)."""
    file = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude") / "settings.json"
    settings, problem = _told(file)
    days = settings.get("cleanupPeriodDays", DEFAULT_DAYS)
    if isinstance(days, bool) or not isinstance(days, (int, float)) or days < 0:
        return DEFAULT_DAYS, f"{file}: cleanupPeriodDays is {days!r}"
    return float(days), problem


def max_age_days(home: Path) -> tuple[float, str]:
    """Days after which Gemini CLI deletes, 0 = never, and what is wrong with its settings file ("" = nothing)."""
    file = home / ".gemini" / "settings.json"
    settings, problem = _told(file)
    general = settings.get("general")
    kept = general.get("sessionRetention") if isinstance(general, dict) else None
    if not isinstance(kept, dict):
        return DEFAULT_DAYS, problem
    if kept.get("enabled") is False:
        return 0.0, ""
    age = re.fullmatch(r"(\d{1,6})([hdwm])", str(kept.get("maxAge", "30d")))
    if age is None:
        return DEFAULT_DAYS, f"{file}: sessionRetention.maxAge is {kept.get('maxAge')!r}"
    return float(age[1]) * {"h": 1 / 24, "d": 1, "w": 7, "m": 30}[age[2]], ""


async def guards(
    database: asyncpg.Connection, environ: Mapping[str, str], home: Path, now: float | None = None
) -> list[Guard]:
    """One for each assistant that is used here and deletes by age."""
    moment = time.time() if now is None else now  # noqa: TID251 - a file's age is wall time
    found = []
    for source, (days, problem) in {
        "claude-code": cleanup_days(environ, home),
        "gemini": max_age_days(home),
    }.items():
        roots = [r for r in sources.defaults(environ, home) if r.source == source and os.path.isdir(r.folder)]
        if roots and (days or source == "claude-code"):
            found.append(await _guard(database, roots[0], (days, problem), moment))
    return found


async def _guard(database: asyncpg.Connection, root: sources.Root, kept: tuple[float, str], now: float) -> Guard:
    days, problem = kept
    folder = os.path.realpath(root.folder)
    deletions = Guard(root.source, folder, days, SOON_DAYS, settings_error=problem)
    rows = await database.fetch(queries.read("stored_ends"), folder)
    stored = {row["full_path"]: (row["stored"], row["captured_at"]) for row in rows}
    for path, stat in walk(folder, root.leaves, []):
        if now - stat.mtime_ns / 1e9 < (days - SOON_DAYS) * 86400:
            continue
        deletions.due += 1
        end, captured = stored.get(f"{folder}/{path}", (0, 0.0))
        if not stat.size or (end >= stat.size and captured >= stat.mtime_ns / 1e9 - CLOCK_SECONDS):
            deletions.archived += 1
        else:
            deletions.missing.append(path)
    return deletions
