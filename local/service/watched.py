"""Until when transcripts were watched: a file that is touched while it runs, and holds how many transcripts were gone
from disk. The next start tells the gap, and what was deleted in it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

FILE = "watched"
TOUCH_SECONDS = 20.0
GAP_SECONDS = 120.0
"""Less than this is a restart."""
DAY = 86400.0


def until(data: Path) -> float | None:
    """Unix time of the last sign; None if it never ran here."""
    try:
        return (data / FILE).stat().st_mtime
    except OSError:
        return None


def absent(data: Path) -> int | None:
    """How many archived transcripts were no longer on disk at the last look; None = nobody has counted."""
    try:
        return int((data / FILE).read_text())
    except (OSError, ValueError):
        return None


def keep_absent(data: Path, count: int) -> None:
    """For the next start."""
    with suppress(OSError):
        fresh = data / f"{FILE}.new"
        fresh.write_text(str(count))
        fresh.chmod(0o600)
        fresh.replace(data / FILE)


async def touching(data: Path) -> None:
    """Touches the file until cancelled."""
    while True:
        with suppress(OSError):
            descriptor = os.open(data / FILE, os.O_WRONLY | os.O_CREAT, 0o600)
            os.utime(descriptor)
            os.close(descriptor)
        await asyncio.sleep(TOUCH_SECONDS)


def words(since: float | None, now: float, cleanup_days: float | None, at: str) -> str:
    """What a start says of the time in which nothing ran; "" if there was none. `at` is that moment for people.
    `cleanup_days` = when Claude Code deletes what was not touched; None where it is not used.

    >>> words(0.0, 3 * 86400.0, 30.0, "Monday")
    'nothing was watched for 3.0 days, since Monday; Claude Code deletes after 30 days: what was written is still there'
    >>> words(100.0, 130.0, 30.0, "just now")
    ''
    """
    gap = now - since if since is not None else 0.0
    if gap < GAP_SECONDS:
        return ""
    length = f"{gap / DAY:.1f} days" if gap >= DAY else f"{gap / 3600:.1f} h" if gap >= 3600 else f"{gap / 60:.0f} min"
    said = f"nothing was watched for {length}, since {at}"
    if cleanup_days is None:
        return said
    if gap < cleanup_days * DAY:
        return f"{said}; Claude Code deletes after {cleanup_days:.0f} days: what was written is still there"
    return f"{said}; Claude Code deletes after {cleanup_days:.0f} days: sessions of the time before that may be lost"
