"""Metrics of each machine whose transcripts are here. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from mnemostream.services.health.http.bodies import hosts as bodies
from mnemostream.services.health.http.metrics.families import gauges
from mnemostream.services.health.judge.snapshot import Snapshot


def hosts(snapshot: Snapshot) -> Iterator[Metric]:
    found = bodies.hosts(snapshot).hosts
    labels = ("host",)
    rows = [((one.host,), float(one.bytes)) for one in found]
    yield gauges("host_archived_bytes", "The machine's bytes in the archive, of all generations.", labels, rows)
    rows = [((one.host,), float(one.transcripts)) for one in found]
    yield gauges("host_transcripts", "Transcripts of the machine.", labels, rows)
    rows = [((one.host,), one.last_at.timestamp()) for one in found if one.last_at]
    help_ = "Unix time at which the newest of its archived content was read there."
    yield gauges("host_newest_timestamp_seconds", help_, labels, rows)
    rows = [((one.host,), float(one.backlog_bytes)) for one in found if one.backlog_bytes is not None]
    help_ = "Known there and not shipped, as of its last heartbeat, in bytes."
    yield gauges("host_backlog_bytes", help_, labels, rows)
    rows = [((one.host,), one.heartbeat_age_seconds) for one in found if one.heartbeat_age_seconds is not None]
    help_ = "Seconds since the last heartbeat of its watcher; none without one, and after a quarter of an hour."
    yield gauges("host_heartbeat_age_seconds", help_, labels, rows)
