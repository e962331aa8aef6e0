"""What /metrics says, docs/metrics.md, the alert rules and the dashboard name the same metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from mnemostream.contracts.events import Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.services.health.http import metrics
from mnemostream.services.health.judge.rules import failing, impaired
from tests.conftest import ROOT
from tests.contract.metrics_text import (
    CONFIG,
    DASHBOARD,
    RULES,
    WEBHOOKS,
    asked,
    crowd,
    documented,
    families,
)


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
                    values = {*Reason} if label == "reason" else {sample.labels[label] for sample in found[name][2]}
                    assert value in values, (file, name, label, value)


def test_the_dashboard_names_no_data_source_of_its_own() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["uid"], board["id"]) == ("mnemostream", None)
    assert board["schemaVersion"] >= 38
    assert [one["query"] for one in board["templating"]["list"] if one["type"] == "datasource"] == ["prometheus"]
    assert set(re.findall(r'"uid": "(.*?)"', DASHBOARD.read_text())) == {"mnemostream", "${datasource}"}
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert sum(panel["type"] == "row" for panel in board["panels"]) == 7
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
