"""Metrics of each instance. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import Metric

from mnemostream.services.health.http.metrics.families import counters, gauges
from mnemostream.services.health.judge.beats import CRASHES_SECONDS, Instance
from mnemostream.services.health.judge.snapshot import Snapshot


def instances(snapshot: Snapshot) -> Iterator[Metric]:
    now = snapshot.now
    known: list[tuple[tuple[str, str], Instance]] = [
        ((str(stage), name), instance)
        for stage, window in snapshot.windows.items()
        for name, instance in sorted(window.alive.items())
    ]
    labels = ("stage", "process")

    def each(name: str, help_: str, values: Iterable[float]) -> Metric:
        return gauges(f"instance_{name}", help_, labels, zip((key for key, _ in known), values, strict=True))

    alive = [instance for _, instance in known]
    beats = [instance.beat for instance in alive]
    yield each("heartbeat_age_seconds", "Seconds since its last heartbeat.", (instance.age(now) for instance in alive))
    yield each("consecutive_failures", "Failures since its last success.", (instance.failures for instance in alive))
    help_ = "Restarts without a clean stop in the last five minutes."
    yield each("crashes", help_, (instance.crashed_within(now, CRASHES_SECONDS) for instance in alive))
    help_ = "Seconds since its last restart without a clean stop; +Inf if none."
    yield each(
        "crash_age_seconds",
        help_,
        (now - instance.crashes[-1] if instance.crashes else float("inf") for instance in alive),
    )
    yield each("in_flight", "Work items in flight.", (beat.in_flight for beat in beats))
    help_ = "Seconds with work in flight and without progress."
    yield each("oldest_in_flight_seconds", help_, (beat.oldest_in_flight_seconds for beat in beats))
    help_ = "Seconds without contact to its source of work while it had none in flight."
    yield each("unpolled_seconds", help_, (instance.unpolled for instance in alive))
    yield each("loop_lag_seconds", "Lag of its event loop in seconds.", (beat.loop_lag_seconds for beat in beats))
    yield each("uptime_seconds", "Seconds since it started.", (beat.uptime_seconds for beat in beats))
    yield each("draining", "1 while it is draining.", (float(beat.phase == "draining") for beat in beats))
    yield each("starting", "1 while it is starting.", (float(beat.phase == "starting") for beat in beats))
    help_ = "Pull requests refused by the server since it started."
    yield each("pulls_refused", help_, (beat.pulls_refused or 0 for beat in beats))
    help_ = "Redelivered messages that it received since it started."
    yield each("redelivered", help_, (beat.redelivered or 0 for beat in beats))
    help_ = "Messages in its inbox that were none of JetStream, and were dropped, since it started."
    yield each("foreign_messages", help_, (beat.foreign_messages or 0 for beat in beats))
    help_ = "Seconds by which its clock is ahead of the health service's."
    yield each("clock_offset_seconds", help_, (instance.clock_off for instance in alive))
    help_ = "Unix time at which it last finished work; 0 = never."
    yield each("last_progress_timestamp_seconds", help_, (beat.last_progress_at for beat in beats))
    yield from _indexes(known, labels)
    done = [(key, float(instance.beat.processed)) for key, instance in known]
    yield counters("instance_processed", "Work items that it finished since it started.", labels, done)
    failed = [(key, float(instance.beat.failed)) for key, instance in known]
    yield counters("instance_failed", "Failed attempts since it started.", labels, failed)


def _indexes(known: Sequence[tuple[tuple[str, str], Instance]], labels: tuple[str, str]) -> Iterator[Metric]:
    writers = [(key, instance.writer) for key, instance in known if instance.writer.unindexed is not None]
    help_ = "Exchanges that are stored and not indexed yet; of writers only."
    yield gauges("instance_unindexed", help_, labels, ((key, float(writer.unindexed or 0)) for key, writer in writers))
    help_ = "1 while attempts to index what is stored fail; of writers only."
    failing = ((key, float(bool(writer.indexing_failed))) for key, writer in writers)
    yield gauges("instance_indexing_failed", help_, labels, failing)
