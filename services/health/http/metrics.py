"""Snapshot to Prometheus metrics. Pure. Every input of every rule is here, so that each status can be explained
from the metrics alone; names and meanings in docs/metrics.md, which a test compares with this module.

Labels are bounded: components, stages, streams, consumers, sources and rules are known lists, instances are those
of the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from contracts import topology
from contracts.events import PULLS_REFUSED, REDELIVERED, Stage
from runtime.heartbeat import service_version
from services.health.http import responses
from services.health.judge.rules import Status
from services.health.judge.snapshot import NOT_ASKED, Snapshot
from services.health.judge.trends import eta, growing, not_less, saturated_seconds, stalled_seconds
from services.health.judge.window import CRASHES_SECONDS, Instance, StageWindow, rate, throughput
from services.health.notify.webhooks import Sender

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "mnemostream_"

Row = tuple[Sequence[str], float]


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


def render(snapshot: Snapshot, webhooks: Sequence[WebhookFigures] = ()) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Collector(snapshot, webhooks))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot, webhooks: Sequence[WebhookFigures]) -> None:
        self.snapshot = snapshot
        self.webhooks = webhooks

    def collect(self) -> Iterator[Metric]:
        snapshot = self.snapshot
        yield InfoMetricFamily(f"{PREFIX}build", "Version of the health service.", {"version": service_version()})
        yield _gauge("snapshot_timestamp_seconds", "Unix time of the judgement that these metrics show.", snapshot.at)
        yield from _statuses(snapshot)
        yield from _old_names(snapshot)
        yield from _stages(snapshot)
        yield from _instances(snapshot)
        yield from _bus(snapshot)
        yield from _ledger(snapshot)
        yield from _canary(snapshot)
        yield from _webhooks(self.webhooks)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, words, value=value)


def _gauges(name: str, words: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, words, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counters(name: str, words: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, words, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _statuses(snapshot: Snapshot) -> Iterator[Metric]:
    shown = {name: component.verdict for name, component in snapshot.components.items()}
    rows = [((name, status), float(v.status is status)) for name, v in shown.items() for status in Status]
    rows += [(("overall", status), float(snapshot.status is status)) for status in Status]
    yield _gauges("status", "1 for the status that the component has.", ("component", "status"), rows)
    rules = [((name, v.rule), 1.0) for name, v in shown.items()]
    yield _gauges("rule", "1 for the rule that gave the status; docs/status.md.", ("component", "rule"), rules)
    since = [((name,), component.since) for name, component in snapshot.components.items()]
    since.append((("overall",), snapshot.since))
    yield _gauges("status_since_timestamp_seconds", "Unix time since when it has its status.", ("component",), since)


def _old_names(snapshot: Snapshot) -> Iterator[Metric]:
    """What the older auto-save daemon called its metrics."""
    watcher = snapshot.windows[Stage.WATCHER]
    age = watcher.age(snapshot.at)
    words = "Seconds since the last heartbeat of the watcher; +Inf without one."
    yield _gauge("daemon_heartbeat_age_seconds", words, float("inf") if age is None else age)
    words = "Conversations in the archive; falls only when a person forgets one."
    counted = snapshot.figures.get("conversations")  # absent until counted: 0 would be a reset of the counter
    yield _counters("conversations_imported", words, (), [] if counted is None else [((), float(counted))])


def _stages(snapshot: Snapshot) -> Iterator[Metric]:
    now = snapshot.at
    windows = {str(stage): window for stage, window in snapshot.windows.items()}

    def each(name: str, words: str, values: Mapping[str, float | None]) -> Metric:
        return _gauges(name, words, ("stage",), [((s,), v) for s, v in values.items() if v is not None])

    yield each(
        "consecutive_failures",
        "Failures since the last success, of the worst instance, over restarts.",
        {s: w.failures for s, w in windows.items()},
    )
    yield each(
        "heartbeat_age_seconds",
        "Seconds since the last heartbeat of the instance that was heard last.",
        {s: w.age(now) for s, w in windows.items()},
    )
    yield each("instances", "Instances that did not say goodbye.", {s: len(w.alive) for s, w in windows.items()})
    yield each(
        "instances_desired",
        "Instances that should run, by setting; 0 = no setting.",
        {s: w.desired for s, w in windows.items()},
    )
    yield each(
        "goodbye_age_seconds",
        "Seconds since the last instance that stopped said so.",
        {s: now - w.goodbye() if w.goodbye() else None for s, w in windows.items()},
    )
    yield each("lag_pending", "Work not delivered yet; messages, for the watcher bytes.", _of(windows, "pending"))
    yield each("lag_ack_pending", "Work in hand; messages.", _of(windows, "ack_pending"))
    yield each("lag_age_seconds", "Age of the oldest work that waits.", {s: w.lag_age(now) for s, w in windows.items()})
    yield each(
        "lag_drain_per_second",
        "Decrease of the lag over two minutes; negative while it grows.",
        {s: rate(w.samples) for s, w in windows.items()},
    )
    yield each(
        "lag_eta_seconds",
        "Seconds until the lag is gone at this pace; absent while it does not shrink.",
        {s: eta(w) for s, w in windows.items()},
    )
    yield each(
        "throughput_per_second",
        "Finished pieces of work per second over two minutes.",
        {s: throughput(w.samples) for s, w in windows.items()},
    )
    yield each(
        "stalled_seconds",
        "For how long work has waited and nothing was finished.",
        {s: stalled_seconds(w, now) for s, w in windows.items()},
    )
    yield each("busy", "1 while work waits, or a watcher captured up to its last heartbeat.", _flag(windows, "busy"))
    yield each(
        "lag_growing",
        "1 if the lag has grown for a minute.",
        {s: float(growing(w, now)) for s, w in windows.items()},
    )
    yield each(
        "lag_not_less",
        "1 if no less waits than ten minutes ago, by the least of each minute.",
        {s: float(not_less(w)) for s, w in windows.items()},
    )
    yield each(
        "saturated_seconds",
        "For how long all that may be in hand has been in hand.",
        {s: saturated_seconds(w, now) for s, w in windows.items()},
    )
    yield each(
        "grace_left_seconds",
        "For how long a stage that was never heard is still unknown.",
        {s: max(0.0, w.started + w.grace - now) for s, w in windows.items()},
    )
    yield each("wiring_fault", "1 if a stream or consumer of the stage is wrong.", _flag(windows, "wiring_error"))
    yield each("evicted", "1 if messages left a stream before the stage had done them.", _flag(windows, "evicted"))
    yield each("consumer_recreated", "1 if a consumer was made anew a short while ago.", _flag(windows, "recreated"))
    yield each("dead_letters", "Messages given up, of the newest 200.", _field(windows, "dead_letters"))
    yield each("dead_letters_recent", "Given up in the last ten minutes.", _field(windows, "dead_letters_recent"))
    yield each("ack_pending_limit", "What may be in hand at most.", _field(windows, "ack_limit"))
    yield each(
        "stream_fullness_ratio",
        "Part of the bound that the stream which the stage writes to has reached.",
        {s: w.storage.fullness for s, w in windows.items()},
    )
    yield each(
        "stage_disk_free_bytes",
        "Free bytes on the disk below what the stage writes to.",
        {s: w.storage.disk_free_bytes if w.storage.disk_known else None for s, w in windows.items()},
    )
    importing = any(w.importing for w in windows.values())
    yield _gauge("importing", "1 while the watcher has, or had a short while ago, a large backlog.", float(importing))
    watcher = responses.gauges(snapshot)
    unreadable, damaged = watcher.get("unreadable_files", 0.0), watcher.get("damaged", 0.0)
    yield _gauge("unreadable_files", "Transcripts that exist and cannot be read.", unreadable)
    unlistable = watcher.get("unlistable", 0.0)
    yield _gauge("unlistable_folders", "Folders with transcripts that cannot be listed.", unlistable)
    yield _gauge("damaged_lines", "Damaged lines that were archived since the watcher began.", damaged)
    watchers = sorted(snapshot.windows[Stage.WATCHER].alive.items())
    paused = [((name,), float("paused" in one.beat.notes)) for name, one in watchers]
    yield _gauges("capture_paused", "1 while the log takes nothing and capture waits.", ("process",), paused)


def _of(windows: Mapping[str, StageWindow], name: str) -> dict[str, float]:
    return {stage: float(getattr(window.lag, name)) for stage, window in windows.items()}


def _flag(windows: Mapping[str, object], name: str) -> dict[str, float]:
    return {stage: float(bool(getattr(window, name))) for stage, window in windows.items()}


def _field(windows: Mapping[str, object], name: str) -> dict[str, float]:
    return {stage: float(getattr(window, name)) for stage, window in windows.items()}


def _instances(snapshot: Snapshot) -> Iterator[Metric]:
    now = snapshot.at
    known: list[tuple[tuple[str, str], Instance]] = [
        ((str(stage), name), one)
        for stage, window in snapshot.windows.items()
        for name, one in sorted(window.alive.items())
    ]
    labels = ("stage", "process")

    def each(name: str, words: str, values: Iterable[float]) -> Metric:
        return _gauges(f"instance_{name}", words, labels, zip((key for key, _ in known), values, strict=True))

    ones = [one for _, one in known]
    yield each("heartbeat_age_seconds", "Seconds since its last heartbeat.", (one.age(now) for one in ones))
    yield each("consecutive_failures", "Failures since its last success.", (one.failures for one in ones))
    words = "Restarts without a goodbye in the last five minutes."
    yield each("crashes", words, (one.crashed_within(now, CRASHES_SECONDS) for one in ones))
    words = "Seconds since its last restart without a goodbye; +Inf without one."
    yield each("crash_age_seconds", words, (now - one.crashes[-1] if one.crashes else float("inf") for one in ones))
    yield each("in_flight", "Pieces of work in hand.", (one.beat.in_flight for one in ones))
    words = "How long it has had work in hand without any progress."
    yield each("oldest_in_flight_seconds", words, (one.beat.oldest_in_flight_seconds for one in ones))
    words = "How long it has had no contact with its work while it had none in hand."
    yield each("unpolled_seconds", words, (one.unpolled for one in ones))
    yield each("loop_lag_seconds", "Lateness of its event loop.", (one.beat.loop_lag_seconds for one in ones))
    yield each("uptime_seconds", "Seconds since it began.", (one.beat.uptime_seconds for one in ones))
    yield each("draining", "1 while it is draining.", (float(one.beat.phase == "draining") for one in ones))
    yield each("starting", "1 while it is starting.", (float(one.beat.phase == "starting") for one in ones))
    words = "Pull requests that the server refused, since it began."
    yield each("pulls_refused", words, (one.beat.gauges.get(PULLS_REFUSED, 0.0) for one in ones))
    words = "Messages that came to it with a delivery before, since it began."
    yield each("redelivered", words, (one.beat.gauges.get(REDELIVERED, 0.0) for one in ones))
    words = "Seconds by which its clock is ahead of the health service's."
    yield each("clock_offset_seconds", words, (one.clock_off for one in ones))
    words = "Unix time at which it last finished work; 0 = never."
    yield each("last_progress_timestamp_seconds", words, (one.beat.last_progress_at for one in ones))
    done = [(key, float(one.beat.processed)) for key, one in known]
    yield _counters("instance_processed", "Pieces of work that it finished since it began.", labels, done)
    failed = [(key, float(one.beat.failed)) for key, one in known]
    yield _counters("instance_failed", "Attempts that failed since it began.", labels, failed)


def _bus(snapshot: Snapshot) -> Iterator[Metric]:
    for name, words, error in (
        ("bus_up", "1 if NATS answered at the last look; absent before the first.", snapshot.bus_error),
        ("database_up", "1 if PostgreSQL takes rows; absent before the first look.", snapshot.database_error),
    ):
        yield _gauges(name, words, (), [] if error == NOT_ASKED else [((), float(not error))])
    streams = snapshot.bus.streams
    for name, words in (
        ("messages", "Messages in the stream."),
        ("bytes", "Bytes in the stream."),
        ("max_bytes", "Bound of the bytes in the stream; -1 = none."),
    ):
        rows = [((stream,), float(getattr(state, name))) for stream, state in streams.items()]
        yield _gauges(f"stream_{name}", words, ("stream",), rows)
    wrong_streams = [((s.name,), float(s.name in snapshot.bus.wrong)) for s in topology.STREAMS]
    yield _gauges("stream_wrong", "1 if the stream is missing or changed.", ("stream",), wrong_streams)
    labels = ("stream", "consumer")
    known = [(tuple(name.split(".", 1)), state) for name, state in snapshot.bus.consumers.items()]
    yield _gauges("consumer_pending", "Messages not delivered.", labels, [(k, float(c.lag.pending)) for k, c in known])
    rows_ = [(k, float(c.lag.ack_pending)) for k, c in known]
    yield _gauges("consumer_ack_pending", "Messages delivered and not acknowledged.", labels, rows_)
    rows_ = [(k, float(c.redelivered)) for k, c in known]
    yield _gauges("consumer_redelivered", "Messages in hand that were delivered before.", labels, rows_)
    wrong = [((f"{c.stream}", c.name), float(f"{c.stream}.{c.name}" in snapshot.bus.wrong)) for c in topology.CONSUMERS]
    yield _gauges("consumer_wrong", "1 if the consumer is missing, paused or changed.", labels, wrong)
    free = [((name,), float(value)) for name, value in snapshot.disks.items()]
    yield _gauges("disk_free_bytes", "Free bytes on the disk of a server.", ("disk",), free)
    kept = float(snapshot.bus.messages(topology.DEADLETTERS.name))
    yield _gauge("dead_letters_kept", "Dead letters in their stream, of all stages.", kept)


STEPS = {
    "disk_bytes": "on_disk",
    "captured_bytes": "captured",
    "published_bytes": "published",
    "log_bytes": "log",
    "stored_bytes": "stored",
}


def _ledger(snapshot: Snapshot) -> Iterator[Metric]:
    ledger = responses.ledger(snapshot)
    rows = [
        ((source, step), float(getattr(account, name)))
        for source, account in ledger.sources.items()
        for name, step in STEPS.items()
    ]
    yield _gauges("ledger_bytes", "Bytes of transcripts at each step.", ("source", "step"), rows)
    texts = [((source, "texts"), float(account.texts)) for source, account in ledger.sources.items()]
    texts += [((source, "embedded"), float(account.embedded)) for source, account in ledger.sources.items()]
    yield _gauges("ledger_texts", "Texts to embed, and those with a vector.", ("source", "step"), texts)
    gaps = [
        ((source, gap.removesuffix("_bytes")), float(value))
        for source, account in ledger.sources.items()
        for gap, value in account.gaps.items()
        if gap.endswith("_bytes")
    ]
    yield _gauges("ledger_gap_bytes", "Bytes that a step still lacks.", ("source", "gap"), gaps)
    missing = [
        ((source,), float(account.gaps.get("unembedded_texts", 0))) for source, account in ledger.sources.items()
    ]
    yield _gauges("ledger_gap_texts", "Texts that have no vector yet.", ("source",), missing)
    yield _gauge("ledger_balanced", "1 if it is known that there is no gap.", float(ledger.balanced is True))


def _canary(snapshot: Snapshot) -> Iterator[Metric]:
    canary = snapshot.canary
    yield _gauge("canary_fault", "1 if a synthetic line cannot be written.", float(bool(canary.error)))
    yield _gauge("canary_period_seconds", "Time between two synthetic lines; 0 = off.", canary.period)
    waiting = max(0.0, snapshot.at - canary.waiting_since) if canary.waiting_since else 0.0
    yield _gauge("canary_waiting_seconds", "For how long a line has been under way.", waiting)
    yield _gauge("canary_last_seconds", "From the line on disk to its vector, the last time.", canary.last_seconds)
    for name in ("sent", "arrived", "lost"):
        rows: list[Row] = [((), float(getattr(canary, name)))]
        yield _counters(f"canary_{name}", f"Synthetic lines {name} since the health service began.", (), rows)


def _webhooks(figures: Sequence[WebhookFigures]) -> Iterator[Metric]:
    labels = ("target", "number")
    keys = [(figure.name, str(number)) for number, figure in enumerate(figures)]
    for name, words in (
        ("delivered", "Alerts delivered."),
        ("failed", "Tries to deliver an alert that failed."),
        ("dropped", "Alerts given up."),
    ):
        rows = [(key, float(getattr(f, name))) for key, f in zip(keys, figures, strict=True)]
        yield _counters(f"webhook_{name}", words, labels, rows)
    rows = [(key, float(f.waiting)) for key, f in zip(keys, figures, strict=True)]
    yield _gauges("webhook_waiting", "Alerts that wait to be delivered.", labels, rows)
