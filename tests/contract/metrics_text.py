"""A system in which everything that has a metric has happened, and the table of docs/metrics.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from mnemostream.contracts import topology
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals, WriterVitals
from mnemostream.services.health.http.metrics import WebhookFigures
from mnemostream.services.health.http.metrics.families import PREFIX
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.snapshot import KeptLetter, Snapshot
from mnemostream.services.health.judge.window import BusState, CanaryState, ConsumerState, Lag, StreamState
from tests.conftest import ROOT

NOW = 1_800_000_000.0


RULES = ROOT / "ops/prometheus/alerts.yml"


CONFIG = ROOT / "ops/prometheus/prometheus.yml"


DASHBOARD = ROOT / "ops/grafana/dashboard.json"


WEBHOOKS = [WebhookFigures("slack:hooks.slack.com", 3, 2, 1, 4), WebhookFigures("slack:hooks.slack.com", 0, 0, 0, 0)]


HOSTILE = (
    'a "quoted" name',
    "two\nlines",
    "back\\slash\\n",
    "späße-日本-🦊",
    'all "\\\n\\" of it',
    "",
    " ",
    "x" * 1000,
)


FOREIGN_UNITS = {"ms", "milliseconds", "us", "ns", "minutes", "hours", "days", "kb", "mb", "kib", "mib", "percent"}


MIXED = {f"{PREFIX}lag_pending"}
"""Messages, and bytes for the watcher."""


def beat(stage: Stage, instance: str, **more: Any) -> Heartbeat:
    facts: dict[str, Any] = {
        "stage": stage,
        "instance": instance,
        "boot_id": "b1",
        "sequence": 1,
        "sent_at": NOW,
        "phase": Phase.RUNNING,
        "interval_seconds": 5.0,
        "uptime_seconds": 100.0,
        "pid": 1,
        "service_version": "0",
    }
    return Heartbeat(**{**facts, **more})


def bus(lag: int) -> BusState:
    streams = {stream.name: StreamState(100, 1000, stream.max_bytes, 1, 100) for stream in topology.STREAMS}
    names = [f"{consumer.stream}.{consumer.name}" for consumer in topology.CONSUMERS]
    return BusState("", streams, {name: ConsumerState(Lag(lag, 2), 1, 10, "c") for name in names})


def letter(stage: Stage) -> KeptLetter:
    return KeptLetter(1, stage, "s", "TRANSCRIPTS", 7, 3, "error", "", "i", NOW - 5, 10, "text")


def full() -> Snapshot:
    """Everything that has a metric has happened: work drains, one said goodbye, one crashed, a letter was given up."""
    observer = Observer(NOW - 15, 45.0, {Stage.EMBEDDER: 2})
    source = SourceVitals(
        files=1, discovered_bytes=100, captured_bytes=90, present_published_bytes=80, published_bytes=80
    )
    vitals = WatcherVitals(
        files=1,
        backlog_bytes=20,
        host="laptop-1234",
        edge=True,
        unreadable_files=1,
        unlistable_folders=0,
        missing_folders=1,
        damaged_lines=2,
        sources={"claude-code": source},
    )
    heard = partial(observer.beat, live=False)
    for stage in (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER):
        heard(beat(stage, f"{stage}-0", vitals=vitals if stage is Stage.WATCHER else None), NOW - 14)
        heard(
            beat(stage, f"{stage}-0", boot_id="b2", processed=4, failed=2, vitals=None),
            NOW - 9,
            live=False,
        )
        heard(beat(stage, f"{stage}-1", phase=Phase.STOPPED), NOW - 5)
    heard(beat(Stage.WATCHER, "watcher-0", boot_id="b2", sequence=2, processed=4, vitals=vitals), NOW - 8, live=False)
    index = WriterVitals(unindexed=7)
    heard(beat(Stage.WRITER, "writer-0", boot_id="b2", sequence=2, processed=4, vitals=index), NOW - 8, live=False)
    for ago, lag in ((10, 50), (5, 40), (0, 30)):
        observer.probed(bus(lag), NOW - ago)
    observer.database("", NOW)
    observer.samples._pace[Stage.EMBEDDER] = 2.0
    row = {"host": "laptop-1234", "transcripts": 3, "bytes": 70, "last_at": datetime.fromtimestamp(NOW - 60, UTC)}
    observer.figures = {"conversations": 28, "hosts": [row]}
    observer.ledger = [{"source": "claude-code", "stored_bytes": 70, "texts": 9, "embedded": 8}]
    observer.canary = CanaryState(30.0, 5, 3, 1, NOW - 20, NOW - 50, 1.5, NOW - 20)
    observer.disks = {"nats": 10**10, "postgres": 10**11}
    observer.dead_letters = {1: letter(Stage.WRITER)}
    return Judge(observer).snapshot(NOW)


def families(text: str) -> dict[str, tuple[str, str, list[Sample]]]:
    """Type, help and samples by the name that is written in the text."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name not in found, name
        found[name] = (family.type, family.documentation, family.samples)
    return found


def documented() -> dict[str, tuple[str, set[str], list[str]]]:
    """Type, labels and reasons of each metric in the table."""
    rows = re.findall(
        r"^\| `(mnemostream_\w+)` \| (\w+) \| (.*?)\| .+? \| ?(.*?) ?\|$",
        (ROOT / "docs/metrics.md").read_text(),
        re.MULTILINE,
    )
    assert len({row[0] for row in rows}) == len(rows), "a metric stands in the table twice"
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)), re.findall(r"`(\w+)`", reasons))
        for name, kind, labels, reasons in rows
    }


def crowd(names: list[str], stage: Stage = Stage.EMBEDDER) -> Snapshot:
    observer = Observer(NOW, 45.0)
    for name in names:
        observer.beat(beat(stage, name, last_progress_at=NOW - 1.23456789, processed=123456789), NOW)
    return Judge(observer).snapshot(NOW + 0.123456789)


# --- what asks for metrics ----------------------------------------------------------------------------------------


def expressions(node: Any) -> Iterator[str]:
    """All PromQL below a JSON or YAML node: expressions, and queries of variables."""
    if isinstance(node, list):
        for item in node:
            yield from expressions(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in ("expr", "query", "definition") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)


def asked() -> dict[str, list[str]]:
    files = {DASHBOARD: json.loads(DASHBOARD.read_text()), RULES: yaml.safe_load(RULES.read_text())}
    return {file.name: list(expressions(node)) for file, node in files.items()}
