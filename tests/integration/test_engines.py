"""Every engine gives the vectors of sentence-transformers; one that does not is not used, and said so."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import settings as cases
from hypothesis import strategies as st

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.runtime.errors import Misconfigured
from mnemostream.services.embedder.engines import choice, graph, reference, runtimes
from mnemostream.services.embedder.engines.engine import Engine
from mnemostream.services.embedder.engines.messages import Asked, Load
from mnemostream.services.embedder.engines.transformer import TransformerEngine
from mnemostream.services.embedder.engines.worker import Answers
from mnemostream.services.embedder.model import Model
from mnemostream.services.embedder.settings import Settings
from tests.conftest import ROOT, eventually

FOLDER = choice.bundled_folder()
KNOWN = reference.bundled()
CASES = min(400, int(os.environ.get("MNEMO_TEST_CASES", "500")) // 33)
"""15, and more in `make test-all`."""


def settings(**own: Any) -> Settings:
    return Settings(nats_url="nats://unused", **own)


@pytest.fixture(scope="module")
def torch() -> TransformerEngine:
    return TransformerEngine(DEFAULT_MODEL, str(FOLDER), "cpu", 1)


@pytest.fixture(scope="module", params=["openvino bf16", "openvino f32", "openvino int8", "onnxruntime f32"])
def engine(request: pytest.FixtureRequest) -> Engine:
    name, precision = request.param.split()
    if precision == "bf16" and not choice.native_bf16():
        pytest.skip("this processor does not compute in bf16")
    if name == "onnxruntime":
        return runtimes.onnxruntime(FOLDER, KNOWN, 2)
    return runtimes.openvino(FOLDER, KNOWN, 2, precision)


def test_the_reference_is_what_sentence_transformers_answers(torch: TransformerEngine) -> None:
    assert KNOWN.nearness(torch) > 0.999999
    made = reference.made(torch)
    assert (made.name, made.fingerprint, made.dimensions) == (KNOWN.name, KNOWN.fingerprint, KNOWN.dimensions)
    assert made.texts == KNOWN.texts


def test_the_graph_is_valid() -> None:
    onnx.checker.check_model(graph.built(FOLDER), full_check=True)


ANY = st.text(max_size=300) | st.text(st.characters(codec="ascii"), min_size=200, max_size=2500)


def test_vectors_and_tokens_are_the_same(engine: Engine, torch: TransformerEngine) -> None:
    least = reference.LEAST_FAST if "int8" in engine.label else reference.LEAST
    assert (engine.limit, engine.special, engine.dimensions) == (torch.limit, torch.special, torch.dimensions)

    @cases(max_examples=CASES, deadline=None)
    @given(st.lists(ANY, min_size=1, max_size=6))
    def same(texts: list[str]) -> None:
        wanted, got = torch.encode(texts), engine.encode(texts)
        assert got.shape == wanted.shape
        assert got.dtype == np.float32
        assert (got * wanted).sum(axis=1).min() > least
        assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-3)
        for text in texts:
            assert [tuple(span) for span in engine.tokens(text)] == torch.tokens(text)

    same()


def test_calls_side_by_side_do_not_mix(engine: Engine) -> None:
    texts = [f"text number {number} {'of some length ' * (number % 9)}" for number in range(60)]
    wanted = np.concatenate([engine.encode([text]) for text in texts])
    got: list[Any] = [None] * len(texts)

    def work(mine: range) -> None:
        for at in mine:
            got[at] = engine.encode([texts[at]])[0]

    threads = [threading.Thread(target=work, args=(range(first, len(texts), 4),)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (np.stack(got) * wanted).sum(axis=1).min() > 0.9999


def test_the_fastest_that_proves_itself_is_chosen() -> None:
    engine, refused = choice.chosen(settings())
    assert engine.label == ("openvino bf16" if choice.native_bf16() else "openvino f32")
    assert refused == ""
    assert choice.chosen(settings(fast=True))[0].label == "openvino int8"
    assert choice.chosen(settings(engine="torch"))[0].label == "torch cpu"


def test_an_engine_that_answers_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real = runtimes.openvino

    def broken(*args: Any) -> Engine:
        engine = real(*args)
        encode = engine.encode
        monkeypatch.setattr(engine, "encode", lambda texts: np.roll(encode(texts), 1, axis=1))
        return engine

    monkeypatch.setattr(runtimes, "openvino", broken)
    engine, refused = choice.chosen(settings())
    assert engine.label == "onnxruntime f32"
    assert "openvino f32: RuntimeError: its vectors are not those of sentence-transformers" in refused


def test_a_library_that_is_missing_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(choice, "find_spec", lambda name: None if name == "onnxruntime" else object())
    monkeypatch.setattr(choice, "bundled_folder", lambda: FOLDER)
    engine, refused = choice.chosen(settings())
    assert engine.label == "torch cpu"
    assert "openvino" in refused
    with pytest.raises(Misconfigured, match="openvino"):
        choice.chosen(settings(engine="openvino"))


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(Misconfigured, match="MNEMO_EMBEDDER_ENGINE=tpu is none of auto, openvino, onnxruntime, torch"):
        choice.chosen(settings(engine="tpu"))


def test_any_other_model_goes_to_sentence_transformers(tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(FOLDER)
    engine, _ = choice.chosen(settings(model=str(tmp_path / "mine")))
    assert engine.label == "torch cpu"
    assert engine.fingerprint == KNOWN.fingerprint.replace("all-MiniLM-L6-v2", "mine")
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        choice.chosen(settings(model=str(tmp_path / "none")))


class Held:
    """An engine whose calls wait."""

    label, name, fingerprint, dimensions, limit, special, workers, batch_tokens = "held", "m", "m", 2, 10, 2, 2, 8

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Semaphore(0)

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        return [(0, len(text))]

    def encode(self, texts: Sequence[str]) -> Any:
        self.begun.append(texts[0])
        self.go.acquire()
        return np.ones((len(texts), 2), np.float32)


class InThisProcess:
    """What the engine process does, without one."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def ask(self, question: Callable[[int], Asked]) -> Any:
        return await self._answers.answer(question(1))


async def test_a_search_waits_for_no_more_than_one_batch() -> None:
    engine = Held()
    process = InThisProcess(Answers(engine, ""))
    model = Model(process, await process.ask(lambda number: Asked(number, Load())), settings())
    batches = [asyncio.create_task(model.in_turn([f"batch {number}"])) for number in range(6)]

    async def begun(count: int) -> None:
        assert len(engine.begun) == count

    await eventually(lambda: begun(2), within=10)
    query = asyncio.create_task(model.encode(["query"]))
    await asyncio.sleep(0)
    engine.go.release()
    await eventually(lambda: begun(3), within=10)
    assert engine.begun[2] == "query"
    engine.go.release(10)
    await asyncio.gather(query, *batches)


LOOKS = """
import sys
events = []
LOUD = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "os.mkdir", "subprocess.Popen")
sys.addaudithook(lambda name, args: events.append((name, args)) if name in LOUD else None)
from mnemostream.services.embedder.engines import choice
from mnemostream.services.embedder.settings import Settings
engine, refused = choice.chosen(Settings(nats_url="nats://unused", engine="openvino"))
engine.encode(["one text"])
import os
import threading
for thread in threading.enumerate():
    if thread is not threading.main_thread(): thread.join(5)
print(engine.label, refused, [event for event in events], "openvino_telemetry.main" in sys.modules)
"""


def test_openvino_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """Its package `openvino_telemetry` tells Google of every import, and makes a folder in the home."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-B", "-W", "ignore", "-c", LOOKS], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("openvino ")
    assert done.stdout.endswith(" [] False\n"), done.stdout
    assert list(tmp_path.iterdir()) == []
