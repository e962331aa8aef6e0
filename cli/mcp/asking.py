"""Which session asks: what it says itself is no find."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mnemostream.archive import queries

VARIABLES = ("CLAUDE_CODE_SESSION_ID", "MNEMO_MCP_SESSION")
"""Claude Code (from 2.1.154 on) tells the servers that it starts which session they serve; for others, set ours."""
RECENT = timedelta(minutes=2)
"""A session that calls a tool has just been written to."""


class Asking:
    """The session that has started this server: by its environment, and by who has just written in its folder: a server
    stays when `/clear` begins another session. `folder` is None where clients connect from elsewhere."""

    def __init__(self, environment: Mapping[str, str], folder: str | None) -> None:
        self._known = tuple(filter(None, (environment.get(name) for name in VARIABLES)))
        self._folder = folder

    async def sessions(self, database: Any, now: datetime) -> tuple[str, ...]:
        """IDs of sessions that are left out."""
        if self._folder is None:
            return self._known
        latest = await database.fetchval(queries.read("session_latest"), self._folder, now - RECENT)
        return (*self._known, latest) if latest and latest not in self._known else self._known
