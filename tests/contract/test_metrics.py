"""What /metrics says, docs/metrics.md, the alert rules and the dashboard name the same metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from contracts import topology
from contracts.events import Heartbeat, Phase, Stage
from contracts.reasons import Reason
from contracts.vitals import SourceVitals, WatcherVitals
from services.health.http import metrics
from services.health.http.metrics import WebhookFigures
from services.health.http.metrics.families import PREFIX
from services.health.judge.evaluation import Judge
from services.health.judge.observer import Observer
from services.health.judge.rules import failing, impaired
from services.health.judge.rules.verdict import Status
from services.health.judge.snapshot import KeptLetter, Snapshot
from services.health.judge.window import BusState, CanaryState, ConsumerState, Lag, StreamState
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
        unreadable_files=1,
        unlistable_folders=0,
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
    for ago, lag in ((10, 50), (5, 40), (0, 30)):
        observer.probed(bus(lag), NOW - ago)
    observer.database("", NOW)
    observer.figures = {"conversations": 28}
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


@pytest.fixture(scope="module")
def text() -> str:
    return metrics.render(full(), WEBHOOKS).decode()


def test_the_table_names_every_metric_with_its_type_and_labels(text: str) -> None:
    table, found = documented(), families(text)
    assert sorted(table) == sorted(found)
    for name, (kind, _, samples) in found.items():
        assert samples, f"{name}: the example has none of it"
        assert table[name][0] == kind, name
        assert {frozenset(sample.labels) for sample in samples} == {frozenset(table[name][1])}, name


def test_every_rule_has_an_input_in_the_table() -> None:
    named = {reason for _, _, reasons in documented().values() for reason in reasons}
    assert named == {*Reason} - {Reason.STARTING, Reason.BACKLOG_UNKNOWN}


def test_names_have_the_prefix_and_base_units_and_all_have_words(text: str) -> None:
    for name, (kind, words, _) in families(text).items():
        assert name.startswith(PREFIX)
        assert (kind == "counter") == name.endswith("_total"), name
        pieces = name.removesuffix("_total").split("_")
        assert not set(pieces) & FOREIGN_UNITS, name
        if re.match(r"(Seconds|Unix time|Age|Lateness|Time|(For h|H)ow long)\b", words):
            assert pieces[-1] == "seconds", name
        if re.search(r"\b[Bb]ytes\b", words) and name not in MIXED:
            assert pieces[-1] == "bytes", name
        assert len(words) > 10, name
        assert words.endswith("."), name


def test_the_three_old_names_are_there(text: str) -> None:
    found = families(text)
    assert found[f"{PREFIX}daemon_heartbeat_age_seconds"][2][0].value == 8
    assert found[f"{PREFIX}conversations_imported_total"][2][0].value == 28
    assert {sample.labels["stage"]: sample.value for sample in found[f"{PREFIX}consecutive_failures"][2]} == {
        "watcher": 0,
        "embedder": 0,
        "writer": 0,
    }


def test_every_component_has_exactly_one_status(text: str) -> None:
    samples = families(text)[f"{PREFIX}status"][2]
    components = {sample.labels["component"] for sample in samples}
    assert components == {"bus", "database", "watcher", "embedder", "writer", "canary", "overall"}
    for component in components:
        values = {
            sample.labels["status"]: sample.value for sample in samples if sample.labels["component"] == component
        }
        assert set(values) == set(Status)
        assert sum(values.values()) == 1


def test_before_anything_was_seen_there_are_the_same_metrics(text: str) -> None:
    early = metrics.render(Judge(Observer(NOW, 45.0)).snapshot(NOW)).decode()
    assert set(families(early)) == set(families(text))


def crowd(names: list[str], stage: Stage = Stage.EMBEDDER) -> Snapshot:
    observer = Observer(NOW, 45.0)
    for name in names:
        observer.beat(beat(stage, name, last_progress_at=NOW - 1.23456789, processed=123456789), NOW)
    return Judge(observer).snapshot(NOW + 0.123456789)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_instance_name_survives(name: str) -> None:
    found = families(metrics.render(crowd([name], Stage.WATCHER)).decode())
    for family in ("instance_in_flight", "instance_processed_total", "capture_paused"):
        assert [sample.labels["process"] for sample in found[PREFIX + family][2]] == [name]


def test_a_name_that_is_no_text_never_gets_here() -> None:
    body = msgspec.json.encode(beat(Stage.EMBEDDER, "NAME"))
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(body.replace(b"NAME", rb"\ud800"), type=Heartbeat)


@pytest.mark.parametrize("stage", [Stage.EMBEDDER, Stage.WATCHER])
def test_two_hundred_instances_stay_small(stage: Stage) -> None:
    text = metrics.render(crowd([f"embedder-host-{n}.example.com-{n + 10_000}" for n in range(200)], stage), WEBHOOKS)
    assert len(text) < 512 * 1024
    samples = sum(len(samples) for _, _, samples in families(text.decode()).values())
    assert 200 * 10 < samples < 5000


def test_promtool_has_no_complaint(text: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


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


def test_only_metrics_that_exist_are_asked_for() -> None:
    for file in (DASHBOARD, RULES, CONFIG):
        named = set(re.findall(r"\bmnemostream_\w+", file.read_text()))
        assert named <= set(documented()), (file.name, named - set(documented()))


def test_only_labels_and_values_that_exist_are_asked_for(text: str) -> None:
    table, found = documented(), families(text)
    for file, queries in asked().items():
        for name, chosen in (pair for query in queries for pair in re.findall(r"(mnemostream_\w+)\{(.*?)\}", query)):
            own = {"process" if label == "instance" else label for label in table[name][1]}
            for label, sign, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)"(.*?)"', chosen):
                assert label in own | {"job", "instance"}, (file, name, label)
                if label in ("component", "status", "stage", "stream", "gap", "step", "reason") and "~" not in sign:
                    values = {sample.labels[label] for sample in found[name][2]}
                    assert value in values, (file, name, label, value)


def test_the_dashboard_names_no_data_source_of_its_own() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["uid"], board["id"]) == ("mnemostream", None)
    assert board["schemaVersion"] >= 38
    assert [one["query"] for one in board["templating"]["list"] if one["type"] == "datasource"] == ["prometheus"]
    assert set(re.findall(r'"uid": "(.*?)"', DASHBOARD.read_text())) == {"mnemostream", "${datasource}"}
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert sum(panel["type"] == "row" for panel in board["panels"]) == 6
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] == "row" or all(target["expr"] for target in panel["targets"]), panel["title"]


def test_alerts_say_what_to_do_and_are_documented() -> None:
    table = (ROOT / "docs/metrics.md").read_text()
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"]]
    for alert in alerts:
        assert f"| `{alert['alert']}` | {alert['labels']['severity']} |" in table, alert["alert"]
        notes = alert["annotations"]
        assert set(notes) == {"summary", "description", "docs"}
        assert (ROOT / notes["docs"]).is_file()
    assert len(re.findall(r"^\| `Mnemostream", table, re.MULTILINE)) == len(alerts)


def test_alerts_have_the_limits_of_the_rules() -> None:
    by_name = {rule["alert"]: rule["expr"] for g in yaml.safe_load(RULES.read_text())["groups"] for rule in g["rules"]}
    product = re.search(r"< ([\d *]+)$", by_name["MnemostreamDiskLow"])
    assert product is not None
    assert eval(product[1]) == impaired.DISK_LOW_BYTES
    assert by_name["MnemostreamCrashLoop"].endswith(f">= {failing.CRASH_LOOP}")
    assert by_name["MnemostreamStreamFilling"].endswith(f"> {impaired.STREAM_FILLING}")
