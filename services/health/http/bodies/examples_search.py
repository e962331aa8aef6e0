"""Examples of answers about what is found and read, for the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime

from mnemostream.contracts.http import search as http

AT = datetime(2026, 8, 1, 10, tzinfo=UTC)
SEARCHED = http.Searched(
    mode="hybrid",
    note="",
    hits=[
        http.Hit(
            session_id="3f2a…",
            exchange_id="7d0f…",
            title="Mend the build",
            assistant="claude-code",
            project="/home/dana/src/tidepool",
            started_at=AT,
            score=1.21,
            why=["words", "meaning"],
            where="answer",
            tool="",
            snippet="… the build waits for the lock that …",
            marks=[(6, 11)],
            transcript_id="3f2a…-9c1d",
            generation=0,
            offset=18_230,
            line=41,
            resume="cd /home/dana/src/tidepool && claude --resume 3f2a…",
        )
    ],
    next="20",
)
ONE = http.Session(
    "claude-code", "3f2a…", "/home/dana/src/tidepool", "/home/dana/.claude/projects/…", 12, AT, AT, "Mend the build"
)
SESSIONS = http.Sessions([ONE], 252, "1")
SESSION = http.SessionPage(
    ONE, [http.Entry("7d0f…", "prompt", "user", "why does the build wait?", "", "", AT, 0)], 310, None, "1"
)
PROJECTS = http.Projects([http.Project("/home/dana/src/tidepool", 12, 140, AT)], 1)
