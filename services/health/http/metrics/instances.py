"""Metrics of each instance. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from services.health.http.metrics.families import counters, gauges
from services.health.judge.beats import CRASHES_SECONDS, Instance
from services.health.judge.snapshot import Snapshot


def instances(snapshot: Snapshot) -> Iterator[Metric]:
    now = snapshot.now
    known: list[tuple[tuple[str, str], Instance]] = [
        ((str(stage), name), one)
        for stage, window in snapshot.windows.items()
        for name, one in sorted(window.alive.items())
    ]
    labels = ("stage", "process")

    def each(name: str, help_: str, values: Iterable[float]) -> Metric:
        return gauges(f"instance_{name}", help_, labels, zip((key for key, _ in known), values, strict=True))

    ones = [one for _, one in known]
    yield each("heartbeat_age_seconds", "Seconds since its last heartbeat.", (one.age(now) for one in ones))
    yield each("consecutive_failures", "Failures since its last success.", (one.failures for one in ones))
    help_ = "Restarts without a clean stop in the last five minutes."
    yield each("crashes", help_, (one.crashed_within(now, CRASHES_SECONDS) for one in ones))
    help_ = "Seconds since its last restart without a clean stop; +Inf if none."
    yield each("crash_age_seconds", help_, (now - one.crashes[-1] if one.crashes else float("inf") for one in ones))
    yield each("in_flight", "Work items in flight.", (one.beat.in_flight for one in ones))
    help_ = "Seconds with work in flight and without progress."
    yield each("oldest_in_flight_seconds", help_, (one.beat.oldest_in_flight_seconds for one in ones))
    help_ = "Seconds without contact to its source of work while it had none in flight."
    yield each("unpolled_seconds", help_, (one.unpolled for one in ones))
    yield each("loop_lag_seconds", "Lag of its event loop in seconds.", (one.beat.loop_lag_seconds for one in ones))
    yield each("uptime_seconds", "Seconds since it started.", (one.beat.uptime_seconds for one in ones))
    yield each("draining", "1 while it is draining.", (float(one.beat.phase == "draining") for one in ones))
    yield each("starting", "1 while it is starting.", (float(one.beat.phase == "starting") for one in ones))
    help_ = "Pull requests refused by the server since it started."
    yield each("pulls_refused", help_, (one.beat.pulls_refused or 0 for one in ones))
    help_ = "Redelivered messages that it received since it started."
    yield each("redelivered", help_, (one.beat.redelivered or 0 for one in ones))
    help_ = "Seconds by which its clock is ahead of the health service's."
    yield each("clock_offset_seconds", help_, (one.clock_off for one in ones))
    help_ = "Unix time at which it last finished work; 0 = never."
    yield each("last_progress_timestamp_seconds", help_, (one.beat.last_progress_at for one in ones))
    done = [(key, float(one.beat.processed)) for key, one in known]
    yield counters("instance_processed", "Work items that it finished since it started.", labels, done)
    failed = [(key, float(one.beat.failed)) for key, one in known]
    yield counters("instance_failed", "Failed attempts since it started.", labels, failed)
