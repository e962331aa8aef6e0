"""A finished judgement of the whole system, from which the handlers answer. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from mnemostream.contracts.events import HealthChanged, Stage
from mnemostream.services.health.judge.rules.verdict import Status, Verdict
from mnemostream.services.health.judge.window import BusState, CanaryState, StageWindow

STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)
NOT_ASKED = "not asked yet"


class Component(msgspec.Struct, frozen=True):
    """One component, finished: a stage, the bus, the database or the canary."""

    verdict: Verdict
    since: float


class KeptLetter(msgspec.Struct, frozen=True):
    """One dead letter, for people. `text` is the beginning of its payload."""

    sequence: int
    stage: str
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str
    traceback: str
    instance: str
    at: float
    size: int
    text: str
    by_reference: bool = False
    """True if the payload is only in the log, at (`stream`, `stream_sequence`)."""
    readable: bool = False
    """True if it was given up because of its version, which is known here: a retry by an updated worker stores it."""
    retry: str = ""
    """"" not asked for, `pending`, or why it failed again."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that the API may say, as of `at` (Unix time, as all times in it that are for people)."""

    at: float
    now: float
    """The same moment by the observed clock, in which windows and canary are told."""
    status: Status
    cause: str
    since: float
    components: dict[str, Component]
    settling: frozenset[str]
    """Components whose fault is, for a moment, that of a bus or database which has come back."""
    windows: dict[Stage, StageWindow]
    bus: BusState
    bus_error: str
    database_error: str
    canary: CanaryState
    figures: dict[str, Any]
    coverage: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    hourly: list[dict[str, Any]]
    """Imports by hour, of a few days."""
    daily: list[dict[str, Any]]
    """Imports by day, of a year."""
    dead_letters: list[KeptLetter]
    changes: list[HealthChanged]
    disks: dict[str, int]
    issues: list[str]
