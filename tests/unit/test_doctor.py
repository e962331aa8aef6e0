"""What `mnemo doctor` says of the services that run."""

from __future__ import annotations

import msgspec
import pytest

from mnemostream.cli import examine
from mnemostream.contracts.http.health import Health
from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.runtime.heartbeat import service_version
from mnemostream.services.health.http.bodies.examples import HEALTH


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
