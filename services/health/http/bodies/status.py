"""Snapshot to the bodies of the API: the state of the system. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mnemostream.contracts import vitals
from mnemostream.contracts.codec import iso
from mnemostream.contracts.events import HealthChanged, Stage
from mnemostream.contracts.http.health import (
    CanaryHealth,
    Change,
    Coverage,
    Daemon,
    DaemonMetrics,
    Health,
    InstanceState,
    Ledger,
    Reachable,
    Ready,
    StageHealth,
    StageLag,
    Stats,
    StreamFigures,
)
from mnemostream.contracts.reasons import NEXT_STEPS
from mnemostream.contracts.sources import CANARY
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.services.health.http.bodies.ledger import accounts, balanced
from mnemostream.services.health.judge.beats import CRASHES_SECONDS, Instance
from mnemostream.services.health.judge.rules.impaired import AGE_DEGRADED, silent_instances
from mnemostream.services.health.judge.rules.verdict import Status
from mnemostream.services.health.judge.snapshot import Snapshot
from mnemostream.services.health.judge.trends import eta, trend
from mnemostream.services.health.judge.window import StageWindow, throughput

COUNTS = ("transcripts", "segments", "stored_bytes", "records", "conversations", "texts", "chunks")


def health(snapshot: Snapshot) -> Health:
    """The health answer: the old system's shape for the watcher, and everything else beside it."""
    watcher = snapshot.windows[Stage.WATCHER]
    progress = watcher.last_progress()
    canary = snapshot.components["canary"]
    return Health(
        status=snapshot.status,
        timestamp=iso(snapshot.at),
        daemon=Daemon(
            heartbeat_age_seconds=_rounded(watcher.age(snapshot.now)),
            last_import_age_seconds=_rounded(max(0.0, snapshot.at - progress)) if progress else None,
            metrics=_metrics(watcher),
        ),
        issues=snapshot.issues,
        cause=snapshot.cause,
        since=iso(snapshot.since),
        bus=_reachable(snapshot.bus_error),
        database=_reachable(snapshot.database_error),
        canary=CanaryHealth(
            enabled=bool(snapshot.canary.period),
            status=canary.verdict.status if snapshot.canary.period else "off",
            cause=canary.verdict.cause,
            since=iso(canary.since),
            last_seconds=_rounded(snapshot.canary.last_seconds) if snapshot.canary.last_arrived_at else None,
            sent=snapshot.canary.sent,
            arrived=snapshot.canary.arrived,
            lost=snapshot.canary.lost,
        ),
        stages={str(stage): _stage(snapshot, stage) for stage in snapshot.windows},
    )


def http_status(snapshot: Snapshot) -> int:
    """200 for healthy and degraded, 503 otherwise."""
    return 200 if snapshot.status in (Status.HEALTHY, Status.DEGRADED) else 503


def ready(snapshot: Snapshot) -> Ready:
    """Bus and database at the last look."""
    good = not snapshot.bus_error and not snapshot.database_error
    return Ready(good, snapshot.bus_error or "ok", snapshot.database_error or "ok")


def stats(snapshot: Snapshot) -> Stats:
    """Counts, coverage by model, and the bytes from disk to database."""
    figures = snapshot.figures
    return Stats(
        timestamp=iso(snapshot.at),
        counted_at=iso(figures["counted_at"]) if figures else None,
        newest=when(figures.get("newest")),
        coverage=[Coverage(**row) for row in snapshot.coverage],
        watcher=watchers(snapshot),
        streams={
            name: StreamFigures(state.messages, state.bytes, state.max_bytes)
            for name, state in snapshot.bus.streams.items()
        },
        **{name: figures.get(name) for name in COUNTS},
    )


def ledger(snapshot: Snapshot) -> Ledger:
    """Continuous loss accounting, per source and in total."""
    report = watchers(snapshot)
    total, sources = accounts(report, snapshot.ledger)
    age = snapshot.windows[Stage.WATCHER].age(snapshot.now)
    known = bool(snapshot.figures and report.sweeps) and age is not None and age < AGE_DEGRADED
    return Ledger(
        timestamp=iso(snapshot.at),
        balanced=balanced(sources) if known and not report.missing_folders else None,
        total=total,
        sources=sources,
        absent_files=report.absent_files,
        absent_backlog_bytes=report.absent_backlog_bytes,
        unreadable_files=report.unreadable_files,
        ignored_files=report.ignored_files,
        forgotten_files=report.forgotten_files,
        missing_folders=report.missing_folders,
        there_files=report.there_files,
        uncaptured=report.uncaptured,
        uncaptured_names=report.uncaptured_names,
        left_out_rows=report.left_out_rows,
        left_out_tables=report.left_out_tables,
    )


def watchers(snapshot: Snapshot) -> WatcherVitals:
    """What the watchers tell, added up; without the canary's lines."""
    alive = snapshot.windows[Stage.WATCHER].alive.values()
    return vitals.total((instance.watcher for instance in alive), without=CANARY)


def change_of(change: HealthChanged) -> Change:
    """A status change for people."""
    return Change(
        component=change.component,
        before=change.before,
        after=change.after,
        reason=change.reason,
        cause=change.cause,
        at=iso(change.at),
        seconds=round(change.seconds, 3),
        consecutive_failures=change.consecutive_failures,
    )


def _stage(snapshot: Snapshot, stage: Stage) -> StageHealth:
    window, now = snapshot.windows[stage], snapshot.now
    component = snapshot.components[stage]
    return StageHealth(
        status=component.verdict.status,
        reason=component.verdict.reason,
        cause=component.verdict.cause,
        next_step=NEXT_STEPS.get(component.verdict.reason, ""),
        since=iso(component.since),
        consecutive_failures=window.failures,
        heartbeat_age_seconds=_rounded(window.age(now)),
        beating=len(window.alive) - len(silent_instances(window, now)),
        desired=window.desired or len(window.alive),
        desired_for_eta=window.desired_for_eta,
        dead_letters=window.dead_letters,
        instances={name: _instance(instance, now) for name, instance in sorted(window.alive.items())},
        lag=StageLag(
            unit="bytes" if stage is Stage.WATCHER else "messages",
            pending=window.lag.pending if window.lag.known else None,
            ack_pending=window.lag.ack_pending,
            age_seconds=round(window.lag_age(now), 3),
            eta_seconds=_rounded(eta(window)),
            trend=trend(window),
            rate=round(throughput(window.samples), 3),
        ),
    )


def _instance(instance: Instance, now: float) -> InstanceState:
    beat = instance.beat
    return InstanceState(
        phase=beat.phase,
        heartbeat_age_seconds=round(instance.age(now), 3),
        consecutive_failures=instance.failures,
        crashes=instance.crashed_within(now, CRASHES_SECONDS),
        processed=beat.processed,
        failed=beat.failed,
        in_flight=beat.in_flight,
        oldest_in_flight_seconds=round(beat.oldest_in_flight_seconds, 3),
        unpolled_seconds=round(instance.unpolled, 3),
        loop_lag_seconds=round(beat.loop_lag_seconds, 4),
        last_error=beat.last_error,
        uptime_seconds=round(beat.uptime_seconds, 1),
        pid=beat.pid,
        version=beat.service_version,
        vitals=beat.vitals,
    )


def _metrics(window: StageWindow) -> DaemonMetrics:
    beats = [instance.beat for instance in window.alive.values()]
    return DaemonMetrics(
        total_imported=sum(beat.total_imported for beat in beats),
        last_import_count=sum(beat.last_import_count for beat in beats),
        consecutive_failures=window.failures,
        last_error=next((beat.last_error for beat in beats if beat.last_error), None),
        uptime_seconds=max((beat.uptime_seconds for beat in beats), default=0.0),
    )


def _reachable(error: str) -> Reachable:
    return Reachable("unreachable" if error else "reachable", error)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def when(at: datetime | None) -> str | None:
    """A time of the database, the same way."""
    return None if at is None else iso(at.timestamp())


def dated(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times as text."""
    return {name: when(value) if isinstance(value, datetime) else value for name, value in row.items()}
