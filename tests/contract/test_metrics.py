"""What /metrics says, docs/metrics.md, the alert rules and the dashboard name the same metrics."""

from __future__ import annotations

import re

import msgspec
import pytest

from mnemostream.contracts.events import Heartbeat, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.services.health.http import metrics
from mnemostream.services.health.http.metrics.families import PREFIX
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.verdict import Status
from tests.contract.metrics_text import (
    FOREIGN_UNITS,
    HOSTILE,
    MIXED,
    NOW,
    beat,
    crowd,
    documented,
    families,
)


def test_the_table_names_every_metric_with_its_type_and_labels(text: str) -> None:
    table, found = documented(), families(text)
    assert sorted(table) == sorted(found)
    for name, (kind, _, samples) in found.items():
        assert samples, f"{name}: the example has none of it"
        assert table[name][0] == kind, name
        assert {frozenset(sample.labels) for sample in samples} == {frozenset(table[name][1])}, name


def test_every_rule_has_an_input_in_the_table() -> None:
    named = {reason for _, _, reasons in documented().values() for reason in reasons}
    assert named == {*Reason} - {Reason.STARTING}


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


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_instance_name_survives(name: str) -> None:
    found = families(metrics.render(crowd([name], Stage.WATCHER)).decode())
    for family in ("instance_in_flight", "instance_processed_total", "capture_paused"):
        assert [sample.labels["process"] for sample in found[PREFIX + family][2]] == [name]


def test_a_name_that_is_no_text_never_gets_here() -> None:
    body = msgspec.json.encode(beat(Stage.EMBEDDER, "NAME"))
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(body.replace(b"NAME", rb"\ud800"), type=Heartbeat)
