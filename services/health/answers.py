"""Snapshot to the JSON of the API. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contracts.events import Stage
from services.health import ledger as ledgers
from services.health.rules import Status, eta, trend
from services.health.snapshot import Snapshot, StageState


def health(snapshot: Snapshot) -> dict[str, Any]:
    """The health answer: the old system's shape for the watcher, and all stages beside it."""
    now = snapshot.at
    watcher = snapshot.stages[Stage.WATCHER]
    progress = watcher.window.last_progress()
    age = watcher.window.age(now)
    return {
        "status": snapshot.status,
        "timestamp": _iso(now),
        "daemon": {
            "heartbeat_age_seconds": age,
            "last_import_age_seconds": now - progress if progress else None,
            "metrics": _metrics(watcher),
        },
        "issues": snapshot.issues,
        "bus": {"status": "unreachable" if snapshot.bus.error else "reachable", "error": snapshot.bus.error},
        "database": {
            "status": "unreachable" if snapshot.database_error else "reachable",
            "error": snapshot.database_error,
        },
        "stages": {str(stage): _stage(state, now) for stage, state in snapshot.stages.items()},
    }


def http_status(snapshot: Snapshot) -> int:
    """200 for healthy and degraded, 503 otherwise."""
    return 200 if snapshot.status in (Status.HEALTHY, Status.DEGRADED) else 503


def stats(snapshot: Snapshot) -> dict[str, Any]:
    """Counts, coverage by model, and the bytes from disk to database."""
    return {
        "timestamp": _iso(snapshot.at),
        **snapshot.figures,
        "coverage": snapshot.coverage,
        "watcher": _gauges(snapshot),
        "streams": {
            name: {"messages": count, "bytes": snapshot.bus.bytes.get(name, 0)}
            for name, count in snapshot.bus.messages.items()
        },
    }


def ledger(snapshot: Snapshot) -> dict[str, Any]:
    """Continuous loss accounting, per source and in total."""
    return {"timestamp": _iso(snapshot.at), **ledgers.ledger(_gauges(snapshot), snapshot.ledger)}


def _gauges(snapshot: Snapshot) -> dict[str, float]:
    """The watchers' gauges, added up."""
    gauges: dict[str, float] = {}
    for one in snapshot.stages[Stage.WATCHER].window.alive.values():
        for name, value in one.beat.gauges.items():
            gauges[name] = gauges.get(name, 0) + value
    return gauges


def _stage(state: StageState, now: float) -> dict[str, Any]:
    window = state.window
    waiting = [sample.at for sample in window.samples if not sample.lag.total]
    return {
        "status": state.verdict.status,
        "rule": state.verdict.rule,
        "cause": state.verdict.cause,
        "since": _iso(state.since),
        "consecutive_failures": window.failures,
        "heartbeat_age_seconds": window.age(now),
        "instances": {
            name: {
                "phase": one.beat.phase,
                "heartbeat_age_seconds": one.age(now),
                "consecutive_failures": one.failures,
                "processed": one.beat.processed,
                "failed": one.beat.failed,
                "in_flight": one.beat.in_flight,
                "last_error": one.beat.last_error,
                "uptime_seconds": one.beat.uptime_seconds,
                "pid": one.beat.pid,
                "version": one.beat.service_version,
                "gauges": one.beat.gauges,
                "notes": one.beat.notes,
            }
            for name, one in window.alive.items()
        },
        "lag": {
            "unit": "bytes" if window.stage is Stage.WATCHER else "messages",
            "pending": window.lag.pending,
            "ack_pending": window.lag.ack_pending,
            "age_seconds": now - (waiting[-1] if waiting else window.samples[0].at) if window.lag.total else 0.0,
            "eta_seconds": eta(window),
            "trend": trend(window),
        },
    }


def _metrics(state: StageState) -> dict[str, Any]:
    beats = [one.beat for one in state.window.alive.values()]
    return {
        "total_imported": sum(beat.total_imported for beat in beats),
        "last_import_count": sum(beat.last_import_count for beat in beats),
        "consecutive_failures": state.window.failures,
        "last_error": next((beat.last_error for beat in beats if beat.last_error), None),
        "uptime_seconds": max((beat.uptime_seconds for beat in beats), default=0.0),
    }


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
