"""Reason codes: the stable identity of each rule that gives a component its status (docs/status.md).

A code never changes its meaning; the order in which rules are asked is their place in the table of
`services.health.judge.rules`, so that a new rule renumbers nothing.
"""

from __future__ import annotations

from enum import StrEnum


def counted(number: int, noun: str, many: str = "") -> str:
    """A number with its noun; `many` = the plural where an `s` does not make it.

    >>> counted(1, "message"), counted(1200, "message"), counted(2, "entry", "entries")
    ('1 message', '1,200 messages', '2 entries')
    """
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"


class Reason(StrEnum):
    """Why a component has its status."""

    STARTING = "Starting"
    BUS_UNREACHABLE = "BusUnreachable"
    DATABASE_UNREACHABLE = "DatabaseUnreachable"
    TOPOLOGY_DRIFT = "TopologyDrift"
    MESSAGES_EVICTED = "MessagesEvicted"
    NO_INSTANCE = "NoInstance"
    HEARTBEATS_STOPPED = "HeartbeatsStopped"
    WORK_STALLED = "WorkStalled"
    RESTART_LOOP = "RestartLoop"
    STORAGE_FULL = "StorageFull"
    FAILING_REPEATEDLY = "FailingRepeatedly"
    HEARTBEAT_STALE = "HeartbeatStale"
    INSTANCE_VANISHED = "InstanceVanished"
    INSTANCE_STUCK = "InstanceStuck"
    INSTANCE_CRASHED = "InstanceCrashed"
    CONSUMER_RECREATED = "ConsumerRecreated"
    DEAD_LETTERS_GREW = "DeadLettersGrew"
    BACKLOG_GROWING = "BacklogGrowing"
    SATURATED = "Saturated"
    STORAGE_FILLING = "StorageFilling"
    FILES_UNREADABLE = "FilesUnreadable"
    FOLDER_LOST = "FolderLost"
    FOLDER_MISSING = "FolderMissing"
    EDGE_AWAY = "EdgeAway"
    ROWS_MISSING = "RowsMissing"
    INDEXING_FAILS = "IndexingFails"
    PULLS_REFUSED = "PullsRefused"
    REDELIVERED = "Redelivered"
    FAILING = "Failing"
    HEARTBEAT_LATE = "HeartbeatLate"
    BACKLOG_UNKNOWN = "BacklogUnknown"
    HEALTHY = "Healthy"
    CANARY = "Canary"


NEXT_STEPS: dict[Reason, str] = {
    Reason.BUS_UNREACHABLE: "see the log of NATS (logs/nats.log in the data folder, compose: "
    "`docker compose logs nats`); if its disk is full, make room and restart it",
    Reason.DATABASE_UNREACHABLE: "see the log of PostgreSQL (logs/postgres.log in the data folder, compose: "
    "`docker compose logs postgres`); capture goes on meanwhile",
    Reason.TOPOLOGY_DRIFT: "run `mnemo doctor --repair`, in compose `docker compose run --rm mnemo doctor --repair`",
    Reason.MESSAGES_EVICTED: "raise MNEMO_STREAM_MAX_BYTES, run `mnemo doctor --repair`, then `mnemo verify`",
    Reason.ROWS_MISSING: "run `mnemo replay`, unless the writer was only just started: it may be filling the database",
    Reason.NO_INSTANCE: "start it: `mnemo up`, compose: `docker compose up -d`; `mnemo doctor` checks its settings",
    Reason.HEARTBEATS_STOPPED: "see its log; it is started again by itself, and nothing is lost",
    Reason.WORK_STALLED: "see its log; if it does not go on within two minutes, start it again",
    Reason.RESTART_LOOP: "see the end of its log for the error; `mnemo doctor` checks settings, model and servers",
    Reason.STORAGE_FULL: "make room on the disk, or raise MNEMO_STREAM_MAX_BYTES and run `mnemo doctor --repair`",
    Reason.FAILING_REPEATEDLY: "run `mnemo doctor`: it checks what the stage depends on",
    Reason.HEARTBEAT_STALE: "see its log, and compare the clocks of the machines",
    Reason.INSTANCE_VANISHED: "see the log of the instance; if it was removed on purpose, lower MNEMO_HEALTH_DESIRED",
    Reason.INSTANCE_STUCK: "see the log of the instance; start it again if it does not go on",
    Reason.INSTANCE_CRASHED: "see the end of its log; what it had in hand is delivered again",
    Reason.CONSUMER_RECREATED: "nothing: it reads its stream again, and what is stored stays",
    Reason.DEAD_LETTERS_GREW: "run `mnemo deadletters list`, then `mnemo deadletters retry N` once the cause is fixed",
    Reason.BACKLOG_GROWING: "wait during an import; otherwise add embedders (`--embedders N`, compose: `--scale`)",
    Reason.SATURATED: "run fewer workers on this machine, or give it more cores; nothing is lost",
    Reason.STORAGE_FILLING: "make room on the disk, or raise MNEMO_STREAM_MAX_BYTES and run `mnemo doctor --repair`",
    Reason.FILES_UNREADABLE: "run `mnemo doctor`: it names them; let the user of the watcher read them",
    Reason.FOLDER_LOST: "mount it, put it back, or name its new place (--source); `mnemo restore` writes sessions back",
    Reason.FOLDER_MISSING: "mount or create it, or start without naming it",
    Reason.INDEXING_FAILS: "see the log of the writer; `mnemo doctor` checks the database",
    Reason.PULLS_REFUSED: "see the log of NATS, and run `mnemo doctor --repair`",
    Reason.REDELIVERED: "see the logs of its instances; what was delivered twice is stored once",
    Reason.FAILING: "wait: it tries again; if it goes on, run `mnemo doctor`",
    Reason.HEARTBEAT_LATE: "see its log, and compare the clocks of the machines",
    Reason.EDGE_AWAY: "nothing, if it is asleep or travelling; else see `mnemo status` there",
    Reason.BACKLOG_UNKNOWN: "update the watcher to the version of the health service",
    Reason.CANARY: "see which stage lags; `mnemo doctor` checks the rest",
}
"""What a person does next; a reason without an entry asks for nothing. The same words in the API, `mnemo status`, the
page and docs/status.md."""


LABELS_OF_VERSION_1 = {
    "0 start": Reason.STARTING,
    "1 bus": Reason.BUS_UNREACHABLE,
    "2 database": Reason.DATABASE_UNREACHABLE,
    "3 wiring": Reason.TOPOLOGY_DRIFT,
    "4 evicted": Reason.MESSAGES_EVICTED,
    "5 absent": Reason.NO_INSTANCE,
    "6 silent": Reason.HEARTBEATS_STOPPED,
    "7 stalled": Reason.WORK_STALLED,
    "8 crash loop": Reason.RESTART_LOOP,
    "9 full": Reason.STORAGE_FULL,
    "10 failing": Reason.FAILING_REPEATEDLY,
    "10 heartbeat": Reason.HEARTBEAT_STALE,
    "11 vanished": Reason.INSTANCE_VANISHED,
    "12 stuck": Reason.INSTANCE_STUCK,
    "13 crashed": Reason.INSTANCE_CRASHED,
    "14 recreated": Reason.CONSUMER_RECREATED,
    "15 dead letters": Reason.DEAD_LETTERS_GREW,
    "16 behind": Reason.BACKLOG_GROWING,
    "17 saturated": Reason.SATURATED,
    "18 filling": Reason.STORAGE_FILLING,
    "19 unreadable": Reason.FILES_UNREADABLE,
    "23 refused": Reason.PULLS_REFUSED,
    "24 redelivered": Reason.REDELIVERED,
    "20 failing": Reason.FAILING,
    "20 heartbeat": Reason.HEARTBEAT_LATE,
    "21 healthy": Reason.HEALTHY,
    "22 canary": Reason.CANARY,
}
"""What events of version 1 wrote instead of a code."""


def of_version_1(label: str) -> str:
    """The code for a label of version 1; a label that nobody ever wrote stays as it is."""
    return LABELS_OF_VERSION_1.get(label, label)
