"""Snapshot to Prometheus metrics. Pure. Every input of every rule is here, so that each status can be explained
from the metrics alone; names and meanings in docs/metrics.md, which a test compares with these modules.

Labels are bounded: components, stages, streams, consumers, sources and reasons are known lists, instances are those
of the window, machines those that a person has invited, and this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from mnemostream.services.health.http.metrics import checks, hosts, instances, servers, stages, statuses
from mnemostream.services.health.http.metrics.checks import WebhookFigures, webhook_figures
from mnemostream.services.health.http.metrics.families import PREFIX, gauge
from mnemostream.services.health.judge.snapshot import Snapshot

__all__ = ["CONTENT_TYPE", "WebhookFigures", "render", "webhook_figures"]

CONTENT_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # which Litestar adds


def render(snapshot: Snapshot, webhooks: Sequence[WebhookFigures] = (), version: str = "0") -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Collector(snapshot, webhooks, version))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot, webhooks: Sequence[WebhookFigures], version: str) -> None:
        self.snapshot = snapshot
        self.webhooks = webhooks
        self.version = version

    def collect(self) -> Iterator[Metric]:
        snapshot = self.snapshot
        yield InfoMetricFamily(f"{PREFIX}build", "Version of the health service.", {"version": self.version})
        yield gauge("snapshot_timestamp_seconds", "Unix time of the evaluation that these metrics show.", snapshot.at)
        yield from statuses.statuses(snapshot)
        yield from statuses.former_names(snapshot)
        yield from stages.stages(snapshot)
        yield from instances.instances(snapshot)
        yield from hosts.hosts(snapshot)
        yield from servers.bus(snapshot)
        yield from servers.ledger(snapshot)
        yield from checks.canary(snapshot)
        yield from checks.webhooks(self.webhooks)
