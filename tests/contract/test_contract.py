"""What others rely on: golden events, the generated documents, the floors."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys

import msgspec
import pytest

import mnemostream
from mnemostream.contracts import asyncapi, codec, grants, subjects, topology
from mnemostream.contracts.events import Event, HealthChanged, Heartbeat, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals
from mnemostream.local import nats_conf
from tests.conftest import ROOT

LATEST = {"Heartbeat": 2, "HealthChanged": 2, "AlertDelivered": 2}
GOLDEN = sorted((ROOT / "contracts" / "golden").glob("*.json"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_every_version_ever_written_is_decoded_for_ever(file) -> None:
    event = codec.decode(file.read_bytes())
    name, version = file.stem.split(".v")
    assert type(event).__name__ == name
    assert event.version >= int(version)
    written, again = msgspec.json.decode(file.read_bytes()), msgspec.json.decode(codec.encode(event))
    renamed = {"rule", "gauges", "notes", "version"} if int(version) < LATEST.get(name, 1) else set()
    assert {key: again[key] for key in written.keys() - renamed} == {k: written[k] for k in written.keys() - renamed}


def test_a_heartbeat_of_version_1_tells_its_vitals_by_name() -> None:
    raw = msgspec.json.decode((ROOT / "contracts/golden/Heartbeat.v1.json").read_bytes())
    gauges = {"polls": 2.0, "files": 3.0, "files.codex": 1.0, "damaged:nul": 4.0, "damaged": 4.0, "unlistable": 1.0}
    notes = {"host": "laptop", "mode": "poll", "mode_reason": "no inotify"}
    event = codec.decode(msgspec.json.encode({**raw, "stage": "watcher", "gauges": gauges, "notes": notes}))
    assert isinstance(event, Heartbeat)
    assert (event.polls, event.redelivered) == (2, None)
    assert event.vitals == WatcherVitals(
        host="laptop",
        mode="poll",
        mode_reason="no inotify",
        files=3,
        unlistable_folders=1,
        damaged_lines=4,
        lines={"damaged:nul": 4},
        sources={"codex": SourceVitals(files=1)},
    )
    assert codec.decode(codec.encode(event)) == event


def test_events_of_version_1_named_their_rule_by_number() -> None:
    event = codec.decode((ROOT / "contracts/golden/HealthChanged.v1.json").read_bytes())
    assert isinstance(event, HealthChanged)
    assert event.reason in set(Reason)


def test_every_event_has_a_golden_file() -> None:
    assert {file.stem.split(".")[0] for file in GOLDEN} == {kind.__name__ for kind in Event.__args__}


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"type":"Nope"}', b"\xff", b'{"type":"DeadLetter","version":2}'])
def test_what_is_not_a_known_event_is_refused(payload: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        codec.decode(payload)


def test_an_event_of_a_newer_version_says_so() -> None:
    raw = msgspec.json.decode((ROOT / "contracts/golden/TranscriptForgotten.v1.json").read_bytes())
    words = "version 7 of TranscriptForgotten is not known to this version of the service"
    with pytest.raises(codec.NewerVersion, match=words):
        codec.decode(msgspec.json.encode({**raw, "version": 7}))
    for odd in ("7", None, -1, 2**70):
        with pytest.raises(msgspec.DecodeError):
            codec.decode(json.dumps({**raw, "version": odd}).encode())


def test_unknown_fields_are_ignored() -> None:
    raw = msgspec.json.decode((ROOT / "contracts/golden/Heartbeat.v1.json").read_bytes())
    assert codec.decode(msgspec.json.encode({**raw, "mood": "good"})) == codec.decode(msgspec.json.encode(raw))


def test_generated_files_are_fresh() -> None:
    assert (ROOT / "contracts/asyncapi.json").read_text() == asyncapi.text(), "run `make generate`"
    assert (ROOT / "ops/nats/nats.conf").read_text() == nats_conf.for_compose(), "run `make generate`"
    clustered = nats_conf.for_compose(cluster=nats_conf.SERVERS)
    assert (ROOT / "ops/nats/cluster.conf").read_text() == clustered, "run `make generate`"


def test_nothing_happens_at_import() -> None:
    names = [m.name for m in pkgutil.walk_packages(mnemostream.__path__, "mnemostream.")]
    assert len(names) > 40
    code = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *names], env={}, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for name in names:
        assert importlib.util.find_spec(name) is not None


def test_subjects_and_stream_names_are_written_in_contracts_only() -> None:
    wanted = re.compile(r'"(transcripts\.|heartbeats\.|deadletters\.|queries\.)[a-z.*>{]')
    found = [
        f"{file.relative_to(ROOT)}: {line}"
        for folder in ("runtime", "archive", "services", "local", "cli")
        for file in (ROOT / folder).rglob("*.py")
        for line in file.read_text().splitlines()
        if wanted.search(line)
    ]
    assert found == []


def test_subject_tokens_are_safe() -> None:
    assert subjects.changed("claude-code", "a.b c*>") == "transcripts.changed.claude-code.a-b-c"
    assert subjects.token("...") == "none"


def test_no_service_may_purge_or_delete() -> None:
    granted = [subject for grant in grants.GRANTS.values() for subject in grant.publish]
    assert not [s for s in granted if "PURGE" in s or "STREAM.DELETE" in s or s in (">", "$JS.API.>")]
    removing = {stage for stage, grant in grants.GRANTS.items() if any("MSG.DELETE" in s for s in grant.publish)}
    removed = {s for s in granted if "MSG.DELETE" in s}
    assert removed == {f"$JS.API.STREAM.MSG.DELETE.{topology.DEADLETTERS.name}"}  # a dead letter that was done
    assert removing == {Stage.HEALTH}
