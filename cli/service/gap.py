"""What a start says of the time in which nothing was watched, and of what was deleted in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mnemostream.archive import retention
from mnemostream.cli.console import local_time
from mnemostream.contracts import sources
from mnemostream.contracts.reasons import counted
from mnemostream.local.service import watched
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.process.home import home


class Deleted:
    """Counts the transcripts that are no longer on disk, and tells once how many the time before took."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._data = data
        self._say = say
        self._before = self._kept = watched.absent(data)
        self._told = False

    def look(self, absent: int) -> None:
        """`absent` = so many as the watcher knows after a whole sweep."""
        if not self._told and self._before is not None and absent > self._before:
            gone = counted(absent - self._before, "transcript")
            self._say(f"deleted while nothing was watched: {gone}, archived as they were last seen (`mnemo restore`)")
        self._told = True
        if absent != self._kept:
            watched.keep_absent(self._data, absent)
            self._kept = absent


def told(since: float | None) -> str:
    """`since` = Unix time of the last sign of the run before; "" if nothing is to be said."""
    if since is None:
        return ""
    used = any(
        os.path.isdir(root.folder) for root in sources.defaults(os.environ, home()) if root.source == "claude-code"
    )
    days = retention.cleanup_days(os.environ, home())[0] if used else None
    return watched.words(since, SystemClock().now(), days, local_time(datetime.fromtimestamp(since, UTC)))
