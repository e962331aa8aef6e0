"""At rest the model is in nobody's memory; it comes back with the first text, and with the first search."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import psutil

from mnemostream.local import system
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import get
from tests.system.test_cli import mnemo

ENGINE = "mnemostream.services.embedder.engines.worker"
BACK_SECONDS = 15.0
"""Alone it takes one second (docs/operations.md); tests run side by side."""


def engines(running: system.System) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(running.children["embedder-0"].pid).children():
        with suppress(psutil.Error):  # it ends meanwhile
            found += [one] if ENGINE in " ".join(one.cmdline()) else []
    return found


async def test_an_idle_model_leaves_memory_and_comes_back(folder: Path) -> None:
    root, data = folder / "projects", ["--data", str(folder / "d")]
    root.mkdir()
    file = root / "s.jsonl"
    file.write_bytes(jsonl(prompt("where do lanterns hang"), answer("above the pier")))
    plan = quick([root.resolve()], folder / "d", settings={"MNEMO_EMBEDDER_IDLE_SECONDS": "2"})
    async with system.running(plan, print) as running:

        async def embedded(texts: int) -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["embedded"] == total["texts"] == texts

        async def gone() -> None:
            assert engines(running) == []

        await eventually(lambda: embedded(2), 90)
        embedder = running.children["embedder-0"].pid
        await eventually(gone, 30)
        assert psutil.Process(embedder).memory_info().rss < 80e6

        with file.open("ab") as growing:
            growing.write(jsonl(prompt("and who lights them"), answer("the keeper")))
        await eventually(lambda: embedded(4), BACK_SECONDS)
        assert running.children["embedder-0"].pid == embedder, "it was started again"
        await eventually(gone, 30)

        async def found() -> None:
            done = await asyncio.to_thread(mnemo, "search", "illumination at the harbour", "--json", *data)
            told = json.loads(done.stdout)
            assert told["hits"], told
            assert told["mode"] != "words"

        await eventually(found, BACK_SECONDS)
        status = (await get(running, "/v1/autosave/health")).json()
        assert status["status"] == "healthy", status["issues"]


async def test_an_engine_that_is_killed_takes_its_embedder_along(folder: Path) -> None:
    """So that what it had in hand is counted as a crash, and delivered again."""
    root = folder / "projects"
    root.mkdir()
    (root / "s.jsonl").write_bytes(jsonl(prompt("a question"), answer("an answer")))
    async with system.running(quick([root.resolve()], folder / "d"), print) as running:

        async def loaded() -> None:
            assert len(engines(running)) == 1

        await eventually(loaded, 60)
        before = running.children["embedder-0"].pid
        engines(running)[0].kill()
        with (root / "s.jsonl").open("ab") as growing:
            growing.write(jsonl(prompt("another"), answer("one more")))

        async def embedded() -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["embedded"] == total["texts"] == 4

        await eventually(embedded, 60)
        assert (await get(running, "/v1/autosave/deadletters")).json()["total"] == 0
        assert running.children["embedder-0"].pid != before, (
            "the embedder went on without its engine's death being counted"
        )
