"""A finished look at the whole system, from which the handlers answer; how a status is held against flicker. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.events import HealthChanged, Stage
from services.health.judge.rules import SEVERITY, Status, Verdict
from services.health.judge.window import BusState, Canary, StageWindow

STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)
WORSE_AFTER = 2
BETTER_AFTER = 3
AT_ONCE = ("1 bus", "2 database", "3 wiring", "4 evicted")
NOT_ASKED = "not asked yet"
START = Verdict(Status.UNKNOWN, "0 start", "nothing known yet")


class Held:
    """A status with hysteresis: worse after 2 equal evaluations (at once for the first rules), better after 3.

    What was restored counts as one evaluation of an unknown age: something worse shows at once.
    """

    def __init__(self) -> None:
        self.shown = START
        self._restored = False
        self.since = 0.0
        self._next: Status | None = None
        self._count = 0

    def restore(self, verdict: Verdict, since: float) -> None:
        """What an earlier process of this service had shown."""
        self.shown, self.since, self._restored = verdict, since, True

    def take(self, verdict: Verdict, now: float) -> Verdict:
        """The verdict to show after `verdict` was found."""
        shown, restored = self.shown, self._restored
        self._restored = False
        if shown.status is verdict.status:
            self._next, self._count = None, 0
            self.since = self.since or now
            self.shown = verdict
            return verdict
        self._count = self._count + 1 if self._next is verdict.status else 1
        self._next = verdict.status
        worse = SEVERITY[verdict.status] > SEVERITY[shown.status]
        settled = shown.status is Status.UNKNOWN and shown.rule in ("0 start", "5 absent") and not worse
        at_once = settled or (worse and (restored or verdict.rule in AT_ONCE))
        needed = 1 if at_once else WORSE_AFTER if worse else BETTER_AFTER
        if self._count >= needed:
            self.shown, self.since, self._next, self._count = verdict, now, None, 0
        return self.shown


class Component(msgspec.Struct, frozen=True):
    """One component, finished: a stage, the bus, the database or the canary."""

    verdict: Verdict
    since: float


class Letter(msgspec.Struct, frozen=True):
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
    retry: str = ""
    """"" not asked for, `pending`, or why it failed again."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that the API may say, as of `at` (Unix time)."""

    at: float
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
    canary: Canary
    figures: dict[str, Any]
    coverage: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    hourly: list[dict[str, Any]]
    """Imports by hour, of a few days."""
    daily: list[dict[str, Any]]
    """Imports by day, of a year."""
    letters: list[Letter]
    changes: list[HealthChanged]
    disks: dict[str, int]
    issues: list[str]
