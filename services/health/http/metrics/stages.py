"""Metrics of each stage: every input of every rule, so that a status can be explained from the metrics alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from mnemostream.contracts.events import Stage
from mnemostream.services.health.http.bodies import status as bodies
from mnemostream.services.health.http.metrics.families import gauge, gauges
from mnemostream.services.health.judge.snapshot import Snapshot
from mnemostream.services.health.judge.trends import eta, growing, not_less, saturated_seconds, stalled_seconds
from mnemostream.services.health.judge.window import StageWindow, rate, throughput

Windows = Mapping[str, StageWindow]


def stages(snapshot: Snapshot) -> Iterator[Metric]:
    """Everything about the stages."""
    windows = {str(stage): window for stage, window in snapshot.windows.items()}
    for part in (_heartbeats, _lag, _storage):
        yield from part(windows, snapshot.now)
    yield from _watchers(snapshot)


def _each(name: str, help_: str, values: Mapping[str, float | None]) -> Metric:
    """One value per stage; a stage without one is absent."""
    return gauges(name, help_, ("stage",), [((stage,), v) for stage, v in values.items() if v is not None])


def _heartbeats(windows: Windows, now: float) -> Iterator[Metric]:
    """Who beats, and how often they failed."""
    yield _each(
        "consecutive_failures",
        "Consecutive failures of the worst instance, across restarts.",
        {s: w.failures for s, w in windows.items()},
    )
    yield _each(
        "heartbeat_age_seconds",
        "Seconds since the last heartbeat of any instance.",
        {s: w.age(now) for s, w in windows.items()},
    )
    yield _each("instances", "Instances without a clean stop.", {s: len(w.alive) for s, w in windows.items()})
    yield _each(
        "instances_desired",
        "Expected instances, by setting; 0 = not set.",
        {s: w.desired for s, w in windows.items()},
    )
    yield _each(
        "desired_for_eta",
        "Embedders that would clear what waits in the wanted time.",
        {s: w.desired_for_eta for s, w in windows.items()},
    )
    yield _each(
        "goodbye_age_seconds",
        "Seconds since the last clean stop of an instance.",
        {s: now - w.goodbye() if w.goodbye() else None for s, w in windows.items()},
    )


def _lag(windows: Windows, now: float) -> Iterator[Metric]:
    """The work that waits."""
    pending = {s: w.lag.pending if w.lag.known else None for s, w in windows.items()}
    yield _each("lag_pending", "Work not delivered yet; messages, for the watcher bytes.", pending)
    yield _each("lag_ack_pending", "Messages in flight.", _of(windows, "ack_pending"))
    yield _each("lag_age_seconds", "Age of the oldest waiting work.", {s: w.lag_age(now) for s, w in windows.items()})
    yield _each(
        "lag_drain_per_second",
        "Decrease of the lag over two minutes; negative while it grows.",
        {s: rate(w.samples) for s, w in windows.items()},
    )
    yield _each(
        "lag_eta_seconds",
        "Seconds until the backlog is processed at this rate; absent while it does not shrink.",
        {s: eta(w) for s, w in windows.items()},
    )
    yield _each(
        "throughput_per_second",
        "Work items finished per second over two minutes.",
        {s: throughput(w.samples) for s, w in windows.items()},
    )
    yield _each(
        "stalled_seconds",
        "Seconds that work has waited without any being finished.",
        {s: stalled_seconds(w, now) for s, w in windows.items()},
    )
    yield _each("busy", "1 while work waits, or a watcher captured up to its last heartbeat.", _flag(windows, "busy"))
    yield _each(
        "lag_growing",
        "1 if the lag has grown for a minute.",
        {s: float(growing(w, now)) for s, w in windows.items()},
    )
    yield _each(
        "lag_not_less",
        "1 if the backlog is no smaller than ten minutes ago, by the minimum of each minute.",
        {s: float(not_less(w)) for s, w in windows.items()},
    )
    yield _each(
        "saturated_seconds",
        "Seconds at the limit of messages in flight.",
        {s: saturated_seconds(w, now) for s, w in windows.items()},
    )
    yield _each(
        "grace_left_seconds",
        "Remaining seconds in which a stage without a heartbeat is unknown.",
        {s: max(0.0, w.started + w.grace - now) for s, w in windows.items()},
    )


def _storage(windows: Windows, now: float) -> Iterator[Metric]:
    """Streams, dead letters, disks."""
    yield _each("topology_drift", "1 if a stream or consumer of the stage is wrong.", _flag(windows, "topology_error"))
    yield _each("evicted", "1 if messages were evicted before the stage processed them.", _flag(windows, "evicted"))
    yield _each("consumer_recreated", "1 if a consumer was recreated recently.", _flag(windows, "recreated"))
    missing = _field(windows, "rows_missing")
    yield _each("rows_missing_bytes", "Bytes of the log that the database lacks, while no message waits.", missing)
    yield _each("dead_letters", "Dead letters among the newest 200.", _field(windows, "dead_letters"))
    yield _each("dead_letters_recent", "Dead-lettered in the last ten minutes.", _field(windows, "dead_letters_recent"))
    yield _each("ack_pending_limit", "Maximum number of messages in flight.", _field(windows, "ack_limit"))
    yield _each(
        "stream_fullness_ratio",
        "Size of the stream that the stage writes to, as a fraction of its limit.",
        {s: w.storage.fullness for s, w in windows.items()},
    )
    yield _each(
        "stage_disk_free_bytes",
        "Free bytes on the disk that the stage writes to.",
        {s: w.storage.disk_free_bytes if w.storage.disk_known else None for s, w in windows.items()},
    )


def _watchers(snapshot: Snapshot) -> Iterator[Metric]:
    """What only watchers tell."""
    windows = snapshot.windows
    importing = any(w.importing for w in windows.values())
    yield gauge("importing", "1 while the watcher has, or recently had, a large backlog.", float(importing))
    report = bodies.watchers(snapshot)
    for name, help_, value in (
        ("unreadable_files", "Transcripts that exist and cannot be read.", report.unreadable_files),
        ("unlistable_folders", "Folders with transcripts that cannot be listed.", report.unlistable_folders),
        ("missing_folders", "Watched folders that are gone.", report.missing_folders),
        ("damaged_lines", "Damaged lines archived since the watcher started.", report.damaged_lines),
    ):  # absent while no watcher tells it
        yield gauges(name, help_, (), [] if value is None else [((), float(value))])
    watchers = sorted(snapshot.windows[Stage.WATCHER].alive.items())
    paused = [((name,), float(bool(instance.watcher.paused))) for name, instance in watchers]
    yield gauges("capture_paused", "1 while the log accepts nothing and capture is paused.", ("process",), paused)


def _of(windows: Mapping[str, StageWindow], name: str) -> dict[str, float]:
    return {stage: float(getattr(window.lag, name)) for stage, window in windows.items()}


def _flag(windows: Mapping[str, object], name: str) -> dict[str, float]:
    return {stage: float(bool(getattr(window, name))) for stage, window in windows.items()}


def _field(windows: Mapping[str, object], name: str) -> dict[str, float]:
    return {stage: float(getattr(window, name)) for stage, window in windows.items()}
