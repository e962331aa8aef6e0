"""Bodies of the API about the state of the system: health, counts, ledger. Ages in seconds, times ISO 8601 in UTC."""

from __future__ import annotations

import msgspec

from mnemostream.contracts.vitals import Vitals, WatcherVitals


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
    pending: int | None
    """Null while no watcher has told its backlog."""
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
    vitals: Vitals | None
    """What only its stage tells; null when it tells nothing."""


class StageHealth(msgspec.Struct, frozen=True):
    """One stage: its status, the code of the rule that gave it (docs/status.md), and the cause."""

    status: str
    reason: str
    cause: str
    next_step: str
    """What a person does next; empty = nothing."""
    since: str
    consecutive_failures: int
    heartbeat_age_seconds: float | None
    beating: int
    """Instances that send heartbeats; `instances` also holds those that fell silent."""
    desired: int
    desired_for_eta: int | None
    """Embedders that would clear what waits within `MNEMO_HEALTH_ETA_SECONDS`, by the measured pace of one; null for
    other stages, and while none was measured."""
    dead_letters: int
    instances: dict[str, InstanceState]
    lag: StageLag


class Reachable(msgspec.Struct, frozen=True):
    """Bus or database: `reachable` or `unreachable`."""

    status: str
    error: str


class CanaryHealth(msgspec.Struct, frozen=True):
    """The end-to-end check. `enabled` false, and status `off`: no synthetic lines are written."""

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
    watcher: WatcherVitals
    """The sum over all watchers."""
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
    absent_files: int | None
    """This and the following are null while no watcher tells them."""
    absent_backlog_bytes: int | None
    unreadable_files: int | None
    ignored_files: int | None
    forgotten_files: int | None
    missing_folders: int | None
    """Watched folders that are gone: what is on disk cannot be told, so `balanced` is null."""
    there_files: int | None
    """All files and links below the watched folders, whatever they are."""
    uncaptured: dict[str, int]
    """Of them, those that are not captured, by reason."""
    uncaptured_names: str
    """A few of them, by reason."""
    left_out_rows: int | None
    """Rows of captured databases in tables that are left out, credentials among them; about so many."""
    left_out_tables: dict[str, int]
    """The same by table; the largest only."""


class Change(msgspec.Struct, frozen=True):
    """A component had another status from `at` on; `before` had lasted `seconds`."""

    component: str
    before: str
    after: str
    reason: str
    cause: str
    at: str
    seconds: float
    consecutive_failures: int


class Live(msgspec.Struct, frozen=True):
    """One server-sent event for the dashboard: everything without content."""

    health: Health
    ledger: Ledger
    stats: dict[str, int | None]
    """`conversations`, `texts`, `chunks`, `transcripts`."""
    changes: list[Change]
    """The newest first, a screenful."""
    deadletters: int
    """Messages in their stream."""
    retries: list[tuple[int, str]]
    """Sequence of each listed dead letter, and what became of its retry."""
    counted: str | None
    """Changes when there is more to show."""
