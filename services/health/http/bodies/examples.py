"""Examples for the OpenAPI document, and the one answer that is given before anything is known."""

from __future__ import annotations

from datetime import UTC, datetime

from mnemostream.contracts import subjects
from mnemostream.contracts.codec import iso
from mnemostream.contracts.http import archive
from mnemostream.contracts.http import health as http
from mnemostream.contracts.reasons import Reason
from mnemostream.contracts.vitals import EmbedderVitals, WatcherVitals

AT = "2026-08-01T10:00:00.000Z"
METRICS = http.DaemonMetrics(4120, 3, 0, None, 86400.0)
LAG = http.StageLag("messages", 120, 24, 14.2, 35.0, "draining", 4.1)
INSTANCE = http.InstanceState(
    "running",
    2.1,
    0,
    0,
    980,
    0,
    24,
    1.3,
    0.0,
    0.001,
    "",
    7200.0,
    4711,
    "0.1.0",
    EmbedderVitals(model="all-MiniLM-L6-v2:384:0f3a", chunks=5120),
)
STAGE = http.StageHealth(
    "healthy", Reason.HEALTHY, "catching up, about 35 s left", "", AT, 0, 2.1, 1, 1, 1, 0, {"embedder-0": INSTANCE}, LAG
)
FINE = http.Reachable("reachable", "")
CANARY = http.CanaryHealth(True, "healthy", "from disk to vector in 1.2 s", AT, 1.2, 2880, 2880, 0)
READY = http.Ready(True, "ok", "ok")
HEALTH = http.Health(
    "healthy",
    AT,
    http.Daemon(2.1, 12.0, METRICS),
    [],
    "all stages are healthy",
    AT,
    FINE,
    FINE,
    CANARY,
    {"embedder": STAGE},
)
UNHEALTHY = http.Health(
    "unhealthy",
    AT,
    http.Daemon(2.1, 12.0, METRICS),
    ["database: no answer in time (TimeoutError)"],
    "writer: the database does not accept rows: no answer in time (TimeoutError)",
    AT,
    FINE,
    http.Reachable("unreachable", "no answer in time (TimeoutError)"),
    CANARY,
    {"embedder": STAGE},
)
STATS = http.Stats(
    AT,
    AT,
    232,
    545,
    73_400_320,
    48_120,
    1204,
    6995,
    8499,
    AT,
    [http.Coverage("all-MiniLM-L6-v2:384:0f3a", "all-MiniLM-L6-v2", 6995, 6995)],
    WatcherVitals(files=232, captured_bytes=73_400_320),
    {"TRANSCRIPTS": http.StreamFigures(545, 31_000_000, 68_719_476_736)},
)
ACCOUNT = http.Account(232, 73_400_320, 73_400_320, 73_400_320, 73_400_320, 73_400_320, 6995, 6995, {})
LEDGER = http.Ledger(
    AT, True, ACCOUNT, {"claude-code": ACCOUNT}, 0, 0, 0, 0, 0, 0, 233, {"unknown ending": 1}, "", 0, {}
)
CONVERSATION_ROW = ("7d0f…", "claude-code", "3f2a…-9c1d", "3f2a…", "/home/dana/src/tidepool", "prompt")
RECENT = archive.Recent(
    [archive.Conversation(*CONVERSATION_ROW, "why does the build wait?", "It waits for …", ["Bash"], AT, AT)],
    1,
    0,
    1204,
    1,
)
CONVERSATION = archive.FullConversation(
    *CONVERSATION_ROW,
    "why does the build wait?",
    "It waits for …",
    ["Bash"],
    AT,
    AT,
    [archive.ConversationRecord("prompt", "user", "why does the build wait?", "", "", AT)],
    False,
    0,
    1,
    None,
)
CHANGE = http.Change(
    "writer", "healthy", "unhealthy", Reason.DATABASE_UNREACHABLE, "the database does not accept rows", AT, 3600.0, 0
)
TIMELINE = archive.Timeline(
    7,
    [archive.Bucket(AT, 12, 40, 181_000)],
    [archive.Bucket("2026-08-01", 120, 400, 1_810_000)],
    [
        http.Change(
            "writer",
            "healthy",
            "unhealthy",
            Reason.DATABASE_UNREACHABLE,
            "the database does not accept rows",
            AT,
            3600.0,
            0,
        )
    ],
    1,
    0,
    1,
    None,
)
DEADLETTERS = archive.DeadLetters(
    [
        archive.DeadLetterItem(
            7,
            "writer",
            subjects.changed("claude-code", "3f2a"),
            "TRANSCRIPTS",
            4711,
            6,
            "Permanent: …",
            "",
            "writer",
            AT,
            5120,
            "{…",
            False,
            "",
        )
    ],
    1,
    1,
    0,
    1,
    None,
)


def starting(now: float) -> http.Health:
    """Health before the first judgement: nothing is known, and that is not healthy."""
    unknown = http.Reachable("unknown", "not asked yet")
    daemon = http.Daemon(None, None, http.DaemonMetrics(0, 0, 0, None, 0.0))
    at = iso(now)
    canary = http.CanaryHealth(False, "unknown", "not asked yet", at, None, 0, 0, 0)
    return http.Health(
        "unknown", at, daemon, ["starting: nothing is known yet"], "starting", at, unknown, unknown, canary, {}
    )


HOSTS = archive.Hosts(
    [
        archive.Host("laptop-3f2a", True, "beating", 2.1, 0, 412, 51_200_000, datetime(2026, 8, 1, 10, tzinfo=UTC)),
        archive.Host("build-91c0", False, "away", None, None, 37, 4_100_000, datetime(2026, 7, 30, 17, tzinfo=UTC)),
    ]
)
