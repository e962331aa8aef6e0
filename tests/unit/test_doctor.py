"""What `mnemo doctor` says of the services that run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mnemostream.cli import doctor, examine
from mnemostream.contracts.http.health import Health
from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.runtime.heartbeat import service_version
from mnemostream.services.health.http.bodies.examples import HEALTH
from tests.sources import samples
from tests.sources.databases import DATABASES


def running(*embedders: EmbedderVitals) -> Health:
    """These embedders, of this version."""
    stage = next(stage for stage in HEALTH.stages.values() if stage.instances)
    known = msgspec.structs.replace(next(iter(stage.instances.values())), version=service_version())
    of = {f"embedder-{n}": msgspec.structs.replace(known, vitals=vitals) for n, vitals in enumerate(embedders)}
    return msgspec.structs.replace(HEALTH, stages={"embedder": msgspec.structs.replace(stage, instances=of)})


def test_it_names_the_engines() -> None:
    (check,) = examine.services(running(EmbedderVitals(engine="openvino bf16"), EmbedderVitals(engine="torch cpu")))
    assert check.state == "ok"
    assert check.words.endswith("vectors by openvino bf16, torch cpu")


@pytest.mark.parametrize("why", ["openvino bf16: RuntimeError: its vectors are not those of sentence-transformers"])
def test_a_refused_engine_is_a_finding_with_a_remedy(why: str) -> None:
    (check,) = examine.services(running(EmbedderVitals(engine="torch cpu", refused=why)))
    assert check.state == "wrong"
    assert why in check.words
    assert "MNEMO_EMBEDDER_ENGINE" in check.remedy


def test_it_counts_the_sessions_of_each_assistant_and_says_what_cannot_be_read(tmp_path: Path) -> None:
    def put(path: str, data: bytes) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)

    for number in range(3):
        put(f".claude/projects/p/s{number}.jsonl", b"{}")
    put(".claude/projects/p/s0/tool-results/a.txt", b"words")
    tasks = ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks"
    for name in ("ui_messages.json", "api_conversation_history.json"):
        put(f"{tasks}/1784278801000/{name}", b"[]")
    put(".codeium/windsurf/cascade/c1.pb", bytes(range(256)))
    samples.build(tmp_path / ".local/share/opencode/opencode.db", DATABASES["opencode"]())
    places = {place.source: place for place in doctor.folders(None, {}, tmp_path) if place.files}
    assert {name: place.sessions for name, place in places.items() if name != "windsurf"} == {
        "claude-code": 3,
        "cline": 1,
        "opencode": 1,
    }
    assert not places["windsurf"].readable
    assert all(place.readable for name, place in places.items() if name != "windsurf")
