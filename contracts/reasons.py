"""Reason codes: the stable identity of each rule that gives a component its status (docs/status.md).

A code never changes its meaning; the order in which rules are asked is their place in the table of
`services.health.judge.rules`, so that a new rule renumbers nothing.
"""

from __future__ import annotations

from enum import StrEnum


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
    ROWS_MISSING = "RowsMissing"
    INDEXING_FAILS = "IndexingFails"
    PULLS_REFUSED = "PullsRefused"
    REDELIVERED = "Redelivered"
    FAILING = "Failing"
    HEARTBEAT_LATE = "HeartbeatLate"
    BACKLOG_UNKNOWN = "BacklogUnknown"
    HEALTHY = "Healthy"
    CANARY = "Canary"


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
