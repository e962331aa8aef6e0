"""What a start says of the time in which nothing was watched."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from mnemostream.archive import retention
from mnemostream.cli.console import local_time
from mnemostream.contracts import sources
from mnemostream.local.service import watched
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.process.home import home


def told(since: float | None) -> str:
    """`since` = Unix time of the last sign of the run before; "" if nothing is to be said."""
    if since is None:
        return ""
    used = any(
        os.path.isdir(root.folder) for root in sources.defaults(os.environ, home()) if root.source == "claude-code"
    )
    days = retention.cleanup_days(os.environ, home())[0] if used else None
    return watched.words(since, SystemClock().now(), days, local_time(datetime.fromtimestamp(since, UTC)))
