"""The bodies of the API, as types: they make the OpenAPI document and nothing else leaves the service."""

from __future__ import annotations

from typing import Any

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, as RFC 9457 `application/problem+json`; `detail` says what to do next."""

    status: int
    title: str
    detail: str = ""


class Alive(msgspec.Struct, frozen=True):
    """The process turns."""

    status: str = "alive"


class Ready(msgspec.Struct, frozen=True):
    """Whether bus and database were reachable at the last look; `ok`, or the error."""

    ready: bool
    bus: str
    database: str


class DaemonMetrics(msgspec.Struct, frozen=True):
    """Of the watcher, as the older auto-save daemon told them."""

    total_imported: int
    last_import_count: int
    consecutive_failures: int
    last_error: str | None
    uptime_seconds: float


class Daemon(msgspec.Struct, frozen=True):
    """The watcher in the shape of the older auto-save daemon. Ages in seconds, null when never."""

    heartbeat_age_seconds: float | None
    last_import_age_seconds: float | None
    metrics: DaemonMetrics


class StageLag(msgspec.Struct, frozen=True):
    """Work that waits, in `unit`; `trend`: growing, draining, steady; `eta_seconds`: null when it does not shrink."""

    unit: str
    pending: int
    ack_pending: int
    age_seconds: float
    eta_seconds: float | None
    trend: str
    rate: float
    """Finished pieces per second over the last two minutes."""


class InstanceState(msgspec.Struct, frozen=True):
    """One process of a stage, by its last heartbeat."""

    phase: str
    heartbeat_age_seconds: float
    consecutive_failures: int
    crashes: int
    """Restarts without a goodbye in the last five minutes."""
    processed: int
    failed: int
    in_flight: int
    oldest_in_flight_seconds: float
    unpolled_seconds: float
    """For how long it has had no contact with its work and nothing in hand, up to its last heartbeat."""
    loop_lag_seconds: float
    last_error: str
    uptime_seconds: float
    pid: int
    version: str
    gauges: dict[str, float]
    notes: dict[str, str]


class StageHealth(msgspec.Struct, frozen=True):
    """One stage: its status, the rule that gave it (docs/status.md), and why."""

    status: str
    rule: str
    cause: str
    since: str
    consecutive_failures: int
    heartbeat_age_seconds: float | None
    desired: int
    dead_letters: int
    instances: dict[str, InstanceState]
    lag: StageLag


class Reachable(msgspec.Struct, frozen=True):
    """Bus or database: `reachable` or `unreachable`."""

    status: str
    error: str


class CanaryHealth(msgspec.Struct, frozen=True):
    """The end-to-end check. `enabled` false: no synthetic lines are written."""

    enabled: bool
    status: str
    cause: str
    since: str
    last_seconds: float | None
    sent: int
    arrived: int
    lost: int


class Health(msgspec.Struct, frozen=True):
    """Status of everything; `status`, `timestamp`, `daemon` and `issues` as in the older system."""

    status: str
    timestamp: str
    daemon: Daemon
    issues: list[str]
    cause: str
    """Of the worst component; root cause first."""
    since: str
    bus: Reachable
    database: Reachable
    canary: CanaryHealth
    stages: dict[str, StageHealth]


class StreamFigures(msgspec.Struct, frozen=True):
    """One stream. `max_bytes` -1 = without a bound."""

    messages: int
    bytes: int
    max_bytes: int


class Coverage(msgspec.Struct, frozen=True):
    """Texts, and how many have vectors of one model."""

    model: str
    name: str
    texts: int
    embedded: int


class Stats(msgspec.Struct, frozen=True):
    """Counts over the database, gauges of the watchers, streams. All counts are null until first counted."""

    timestamp: str
    counted_at: str | None
    transcripts: int | None
    segments: int | None
    stored_bytes: int | None
    records: int | None
    conversations: int | None
    texts: int | None
    chunks: int | None
    newest: str | None
    coverage: list[Coverage]
    watcher: dict[str, float]
    streams: dict[str, StreamFigures]


class Account(msgspec.Struct, frozen=True):
    """One line of the ledger; each gap is what the next step still lacks."""

    files: int
    disk_bytes: int
    captured_bytes: int
    published_bytes: int
    log_bytes: int
    stored_bytes: int
    texts: int
    embedded: int
    gaps: dict[str, int]


class Ledger(msgspec.Struct, frozen=True):
    """On disk = captured = published = stored; texts = embedded. Bytes, files and texts, per source and in total."""

    timestamp: str
    balanced: bool | None
    """Null while it cannot be told: no watcher was heard lately, or nothing is counted yet."""
    total: Account
    sources: dict[str, Account]
    absent_files: int
    absent_backlog_bytes: int
    unreadable_files: int
    ignored_files: int
    forgotten_files: int


class Conversation(msgspec.Struct, frozen=True):
    """One exchange, its texts shortened to 2,000 characters, its tools to the first 100."""

    exchange_id: str
    source: str
    transcript_id: str
    session_id: str
    project: str | None
    kind: str
    prompt: str
    answer: str
    tools: list[str]
    started_at: str | None
    ended_at: str | None


class Recent(msgspec.Struct, frozen=True):
    """The newest conversations; `total` are those that can be paged through, `next` the offset of the next page."""

    conversations: list[Conversation]
    count: int
    offset: int
    total: int
    next: int | None


class ConversationRecord(msgspec.Struct, frozen=True):
    """One content block of an exchange, in the order of the transcript."""

    kind: str
    role: str
    text: str
    tool: str
    tool_input: str
    occurred_at: str | None


class FullConversation(Conversation, frozen=True):
    """The same with its whole texts and one page of its records: `total` counts all, `next` is the offset of the
    next page. `truncated`: there are more of them, or prompt or answer are longer than 2 million characters."""

    records: list[ConversationRecord]
    truncated: bool
    offset: int
    total: int
    next: int | None


class Bucket(msgspec.Struct, frozen=True):
    """What came in an hour or a day (UTC): exchanges by when they were asked, bytes by when they were saved."""

    start: str
    conversations: int
    segments: int
    bytes: int


class Change(msgspec.Struct, frozen=True):
    """A component had another status from `at` on; `before` had lasted `seconds`."""

    component: str
    before: str
    after: str
    rule: str
    cause: str
    at: str
    seconds: float
    consecutive_failures: int


class Timeline(msgspec.Struct, frozen=True):
    """Imports per hour and day, and status changes (newest first) of the last `days`."""

    days: int
    hourly: list[Bucket]
    daily: list[Bucket]
    changes: list[Change]
    count: int
    offset: int
    total: int
    next: int | None


class DeadLetterItem(msgspec.Struct, frozen=True):
    """One message that was given up. `retry`: empty, `pending`, or why it failed again."""

    sequence: int
    stage: str
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str
    traceback: str
    instance: str
    at: str
    size: int
    text: str
    by_reference: bool
    retry: str


class DeadLetters(msgspec.Struct, frozen=True):
    """Newest first. `kept` counts all in the stream, `total` those that can be paged through here."""

    deadletters: list[DeadLetterItem]
    kept: int
    count: int
    offset: int
    total: int
    next: int | None


class RetryAccepted(msgspec.Struct, frozen=True):
    """The retry was handed to a worker of the stage; the list of dead letters tells what becomes of it."""

    sequence: int
    retry: str


class DropAccepted(msgspec.Struct, frozen=True):
    """The dead letter is being removed; what it stands for stays in the log."""

    sequence: int
    drop: str


def builtins(value: msgspec.Struct) -> Any:
    """As plain dictionaries and lists, for examples."""
    return msgspec.to_builtins(value)
