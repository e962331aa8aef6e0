"""From folded beats, lags and figures to one finished snapshot that the handlers read. Pure but for its state."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from contracts.events import Heartbeat, Stage
from services.health import rules
from services.health.probe import BusState
from services.health.rules import SEVERITY, Status, Verdict
from services.health.window import KEEP_SECONDS, SAMPLES_SECONDS, Instance, Lag, Sample, StageWindow, fold

STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)
CONSUMERS = {Stage.EMBEDDER: ("TRANSCRIPTS.embedder",), Stage.WRITER: ("TRANSCRIPTS.writer", "EMBEDDINGS.writer")}
WORSE_AFTER = 2
BETTER_AFTER = 3
AT_ONCE = ("1 bus", "2 database", "3 wiring")
DEAD_LETTER_SECONDS = 600.0


class Held:
    """A status with hysteresis: worse after 2 equal evaluations (at once for the first rules), better after 3."""

    def __init__(self) -> None:
        self.shown: Verdict | None = None
        self.since = 0.0
        self._next: Status | None = None
        self._count = 0

    def take(self, verdict: Verdict, now: float) -> Verdict:
        """The verdict to show after `verdict` was found."""
        shown = self.shown
        if shown is None or shown.status is verdict.status:
            self._next, self._count = None, 0
            if shown is None:
                self.since = now
            self.shown = verdict
            return verdict
        self._count = self._count + 1 if self._next is verdict.status else 1
        self._next = verdict.status
        worse = SEVERITY[verdict.status] > SEVERITY[shown.status]
        settled = shown.status is Status.UNKNOWN and not worse  # the first knowledge is no recovery
        needed = 1 if verdict.rule in AT_ONCE or settled else WORSE_AFTER if worse else BETTER_AFTER
        if self._count >= needed:
            self.shown, self.since, self._next, self._count = verdict, now, None, 0
        return self.shown or verdict


class StageState(msgspec.Struct, frozen=True):
    """One stage, finished."""

    verdict: Verdict
    since: float
    window: StageWindow


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that the API may say, as of `at` (Unix time)."""

    at: float
    status: Status
    stages: dict[Stage, StageState]
    bus: BusState
    database_error: str
    figures: dict[str, Any]
    coverage: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    issues: list[str]


class Observer:
    """Folds what comes in; `snapshot` is called with the time."""

    def __init__(self, started: float, grace: float) -> None:
        self.started = started
        self.grace = grace
        self.instances: dict[Stage, dict[str, Instance]] = {stage: {} for stage in Stage}
        self.samples: dict[Stage, deque[Sample]] = {stage: deque() for stage in STAGES}
        self.held = {stage: Held() for stage in STAGES}
        self.dead: deque[tuple[float, int]] = deque()
        self.bus = BusState(error="not asked yet")
        self.database_error = "not asked yet"
        self.figures: dict[str, Any] = {}
        self.coverage: list[dict[str, Any]] = []
        self.recent: list[dict[str, Any]] = []
        self.ledger: list[dict[str, Any]] = []

    def beat(self, beat: Heartbeat) -> None:
        """One heartbeat, in stream order."""
        known = self.instances[beat.stage]
        known[beat.instance] = fold(known.get(beat.instance), beat)

    def probed(self, bus: BusState, database_error: str, now: float) -> None:
        """One look at the bus and the database."""
        self.bus, self.database_error = bus, database_error
        for known in self.instances.values():
            for name in [name for name, one in known.items() if one.age(now) > KEEP_SECONDS]:
                del known[name]
        if bus.error:
            return
        letters = bus.messages.get("DEADLETTERS", 0)
        self.dead.append((now, letters))
        while self.dead and now - self.dead[0][0] > DEAD_LETTER_SECONDS:
            self.dead.popleft()
        for stage in STAGES:
            samples = self.samples[stage]
            processed = sum(one.beat.processed for one in self.instances[stage].values())
            samples.append(Sample(now, self._lag(stage), processed))
            while now - samples[0].at > SAMPLES_SECONDS:
                samples.popleft()

    def _lag(self, stage: Stage) -> Lag:
        if stage is Stage.WATCHER:
            gauges = [one.beat.gauges for one in self.instances[stage].values()]
            return Lag(int(sum(gauge.get("backlog_bytes", 0) for gauge in gauges)))
        lags = [self.bus.lags.get(name, Lag()) for name in CONSUMERS[stage]]
        return Lag(sum(lag.pending for lag in lags), sum(lag.ack_pending for lag in lags))

    def _window(self, stage: Stage) -> StageWindow:
        names = (*CONSUMERS.get(stage, ()), "TRANSCRIPTS", *(("EMBEDDINGS",) if stage is not Stage.WATCHER else ()))
        wrong = [self.bus.missing[name] for name in names if name in self.bus.missing]
        letters = self.dead[-1][1] if self.dead else 0
        grew = letters - self.dead[0][1] if self.dead else 0
        return StageWindow(
            stage=stage,
            instances=dict(self.instances[stage]),
            samples=list(self.samples[stage]),
            started=self.started,
            grace=self.grace,
            bus_error=self.bus.error,
            database_error=self.database_error,
            wiring_error=wrong[0] if wrong else "",
            dead_letters=letters,
            dead_letters_recent=max(0, grew) if stage is not Stage.WATCHER else 0,
        )

    def snapshot(self, now: float) -> Snapshot:
        """Judges all stages."""
        stages = {}
        for stage in STAGES:
            window = self._window(stage)
            held = self.held[stage]
            stages[stage] = StageState(held.take(rules.judge(window, now), now), held.since, window)
        worst = max((state.verdict.status for state in stages.values()), key=lambda status: SEVERITY[status])
        if self.bus.error and self.bus.error != "not asked yet":
            worst = Status.UNHEALTHY
        return Snapshot(
            at=now,
            status=worst,
            stages=stages,
            bus=self.bus,
            database_error=self.database_error,
            figures=self.figures,
            coverage=self.coverage,
            recent=self.recent,
            ledger=self.ledger,
            issues=_issues(self, stages),
        )


def _issues(observer: Observer, stages: dict[Stage, StageState]) -> list[str]:
    """Root causes first, each once."""
    found = []
    if observer.bus.error:
        found.append(f"bus: {observer.bus.error}")
    if observer.database_error:
        found.append(f"database: {observer.database_error}")
    for stage, state in stages.items():
        if state.verdict.status is not Status.HEALTHY and state.verdict.rule not in ("1 bus", "2 database"):
            found.append(f"{stage}: {state.verdict.cause}")
        for name, one in state.window.alive.items():
            if paused := one.beat.notes.get("paused"):
                found.append(f"{stage} {name}: capture pauses, {paused}")
            if files := int(one.beat.gauges.get("unreadable_files", 0)):
                found.append(f"{stage} {name}: {files} files cannot be read: {one.beat.notes.get('unreadable', '')}")
            if lines := int(one.beat.gauges.get("damaged", 0)):
                found.append(f"{stage} {name}: {lines} damaged lines archived since start (no action needed)")
    if letters := observer.bus.messages.get("DEADLETTERS", 0):
        found.append(f"{letters} dead letters kept: nats stream view DEADLETTERS")
    return found
