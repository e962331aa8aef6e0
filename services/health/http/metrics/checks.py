"""Metrics of the canary and of the alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from prometheus_client.core import Metric

from mnemostream.services.health.http.metrics.families import Row, counters, gauge, gauges
from mnemostream.services.health.judge.snapshot import Snapshot

if TYPE_CHECKING:  # types only: this module does no I/O
    from mnemostream.services.health.notify.webhooks import Sender


class WebhookFigures(msgspec.Struct, frozen=True):
    """Of one receiver, taken on the event loop."""

    name: str
    delivered: int
    failed: int
    dropped: int
    waiting: int


def webhook_figures(senders: Iterable[Sender]) -> list[WebhookFigures]:
    """The counters of all receivers, now."""
    return [WebhookFigures(s.target.name, s.delivered, s.failed, s.dropped, s.queue.qsize()) for s in senders]


def canary(snapshot: Snapshot) -> Iterator[Metric]:
    state = snapshot.canary
    yield gauge("canary_fault", "1 if a synthetic line cannot be written.", float(bool(state.error)))
    yield gauge("canary_period_seconds", "Time between two synthetic lines; 0 = off.", state.period)
    waiting = max(0.0, snapshot.now - state.waiting_since) if state.waiting_since else 0.0
    yield gauge("canary_waiting_seconds", "Seconds that a synthetic line has been pending.", waiting)
    yield gauge("canary_last_seconds", "Seconds from disk to vector of the last line that arrived.", state.last_seconds)
    for name in ("sent", "arrived", "lost"):
        rows: list[Row] = [((), float(getattr(state, name)))]
        yield counters(f"canary_{name}", f"Synthetic lines {name} since the health service started.", (), rows)


def webhooks(figures: Sequence[WebhookFigures]) -> Iterator[Metric]:
    labels = ("target", "number")
    keys = [(figure.name, str(number)) for number, figure in enumerate(figures)]
    for name, help_ in (
        ("delivered", "Alerts delivered."),
        ("failed", "Failed attempts to deliver an alert."),
        ("dropped", "Alerts dropped."),
    ):
        rows = [(key, float(getattr(f, name))) for key, f in zip(keys, figures, strict=True)]
        yield counters(f"webhook_{name}", help_, labels, rows)
    rows = [(key, float(f.waiting)) for key, f in zip(keys, figures, strict=True)]
    yield gauges("webhook_waiting", "Alerts waiting to be delivered.", labels, rows)
