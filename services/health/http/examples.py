"""Examples for the OpenAPI document, and the one answer that is given before anything is known."""

from __future__ import annotations

from contracts import subjects
from services.health.http import schemas
from services.health.http.responses import iso

AT = "2026-08-01T10:00:00.000Z"
METRICS = schemas.DaemonMetrics(4120, 3, 0, None, 86400.0)
LAG = schemas.StageLag("messages", 120, 24, 14.2, 35.0, "draining", 4.1)
INSTANCE = schemas.InstanceState(
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
    {"chunks": 5120.0},
    {"model": "MiniLM"},
)
STAGE = schemas.StageHealth(
    "healthy", "21 healthy", "catching up, about 35 s left", AT, 0, 2.1, 1, 0, {"embedder-0": INSTANCE}, LAG
)
FINE = schemas.Reachable("reachable", "")
CANARY = schemas.CanaryHealth(True, "healthy", "from disk to vector in 1.2 s", AT, 1.2, 2880, 2880, 0)
READY = schemas.Ready(True, "ok", "ok")
HEALTH = schemas.Health(
    "healthy",
    AT,
    schemas.Daemon(2.1, 12.0, METRICS),
    [],
    "all stages are healthy",
    AT,
    FINE,
    FINE,
    CANARY,
    {"embedder": STAGE},
)
UNHEALTHY = schemas.Health(
    "unhealthy",
    AT,
    schemas.Daemon(2.1, 12.0, METRICS),
    ["database: no answer in time (TimeoutError)"],
    "writer: the database does not take rows: no answer in time (TimeoutError)",
    AT,
    FINE,
    schemas.Reachable("unreachable", "no answer in time (TimeoutError)"),
    CANARY,
    {"embedder": STAGE},
)
STATS = schemas.Stats(
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
    [schemas.Coverage("all-MiniLM-L6-v2:384:0f3a", "all-MiniLM-L6-v2", 6995, 6995)],
    {"files": 232.0, "captured_bytes": 73400320.0},
    {"TRANSCRIPTS": schemas.StreamFigures(545, 31_000_000, 68_719_476_736)},
)
ACCOUNT = schemas.Account(232, 73_400_320, 73_400_320, 73_400_320, 73_400_320, 73_400_320, 6995, 6995, {})
LEDGER = schemas.Ledger(AT, True, ACCOUNT, {"claude-code": ACCOUNT}, 0, 0, 0, 0, 0)
CONVERSATION_ROW = ("7d0f…", "claude-code", "3f2a…-9c1d", "3f2a…", "/home/dana/src/tidepool", "prompt")
RECENT = schemas.Recent(
    [schemas.Conversation(*CONVERSATION_ROW, "why does the build wait?", "It waits for …", ["Bash"], AT, AT)],
    1,
    0,
    1204,
    1,
)
CONVERSATION = schemas.FullConversation(
    *CONVERSATION_ROW,
    "why does the build wait?",
    "It waits for …",
    ["Bash"],
    AT,
    AT,
    [schemas.ConversationRecord("prompt", "user", "why does the build wait?", "", "", AT)],
    False,
    0,
    1,
    None,
)
TIMELINE = schemas.Timeline(
    7,
    [schemas.Bucket(AT, 12, 40, 181_000)],
    [schemas.Bucket("2026-08-01", 120, 400, 1_810_000)],
    [schemas.Change("writer", "healthy", "unhealthy", "2 database", "the database does not take rows", AT, 3600.0, 0)],
    1,
    0,
    1,
    None,
)
DEADLETTERS = schemas.DeadLetters(
    [
        schemas.DeadLetterItem(
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


def starting(now: float) -> schemas.Health:
    """Health before the first judgement: nothing is known, and that is not healthy."""
    unknown = schemas.Reachable("unknown", "not asked yet")
    daemon = schemas.Daemon(None, None, schemas.DaemonMetrics(0, 0, 0, None, 0.0))
    at = iso(now)
    canary = schemas.CanaryHealth(False, "unknown", "not asked yet", at, None, 0, 0, 0)
    return schemas.Health(
        "unknown", at, daemon, ["starting: nothing is known yet"], "starting", at, unknown, unknown, canary, {}
    )
