"""Metrics of statuses, and what the older auto-save daemon called its metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from mnemostream.contracts.events import Stage
from mnemostream.services.health.http.metrics.families import counters, gauge, gauges
from mnemostream.services.health.judge.rules.verdict import Status
from mnemostream.services.health.judge.snapshot import Snapshot


def statuses(snapshot: Snapshot) -> Iterator[Metric]:
    shown = {name: component.verdict for name, component in snapshot.components.items()}
    rows = [((name, status), float(v.status is status)) for name, v in shown.items() for status in Status]
    rows += [(("overall", status), float(snapshot.status is status)) for status in Status]
    yield gauges("status", "1 for the current status of the component.", ("component", "status"), rows)
    reasons = [((name, v.reason), 1.0) for name, v in shown.items()]
    help_ = "1 for the reason code of the current status; see docs/status.md."
    yield gauges("status_reason", help_, ("component", "reason"), reasons)
    since = [((name,), component.since) for name, component in snapshot.components.items()]
    since.append((("overall",), snapshot.since))
    yield gauges("status_since_timestamp_seconds", "Unix time of the last status change.", ("component",), since)


def former_names(snapshot: Snapshot) -> Iterator[Metric]:
    """What the older auto-save daemon called its metrics."""
    watcher = snapshot.windows[Stage.WATCHER]
    age = watcher.age(snapshot.now)
    help_ = "Seconds since the last heartbeat of the watcher; +Inf without one."
    yield gauge("daemon_heartbeat_age_seconds", help_, float("inf") if age is None else age)
    help_ = "Conversations in the archive; decreases only when one is forgotten."
    counted = snapshot.figures.get("conversations")  # absent until counted: 0 would be a reset of the counter
    yield counters("conversations_imported", help_, (), [] if counted is None else [((), float(counted))])
