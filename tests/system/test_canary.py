"""The end-to-end check: a line on disk that must come out as a row with a vector, and that nobody ever sees."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import asyncpg

from mnemostream.archive import copies
from mnemostream.archive.find.finder import opened
from mnemostream.archive.find.question import Question
from mnemostream.archive.proof import verify
from mnemostream.contracts.sources import Root
from mnemostream.local import system
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system import pipeline_parts as owner

ANSWERS = ("stats", "recent", "ledger", "timeline?days=1", "deadletters")


async def get(running: system.System, path: str) -> Any:
    return (await owner.get(running, f"/v1/autosave/{path}")).json()


async def test_the_canary_arrives_is_seen_nowhere_and_is_missed(folder: Path) -> None:
    root = folder / "projects"
    (root / "-p").mkdir(parents=True)
    (root / "-p" / "s.jsonl").write_bytes(jsonl(prompt("the only question", "q"), answer("the only answer")))
    plan = quick([root.resolve()], folder / "data", settings={"MNEMO_HEALTH_CANARY_SECONDS": "2"})
    async with system.running(plan, print) as running:

        async def arrived() -> None:
            canary = (await get(running, "health"))["canary"]
            assert canary["enabled"]
            assert canary["arrived"] >= 2, canary
            assert canary["status"] == "healthy", canary

        await eventually(arrived, within=120)

        async def counted() -> None:
            stats = await get(running, "stats")
            assert (stats["conversations"], stats["transcripts"], stats["texts"]) == (1, 1, 2), stats

        await eventually(counted)
        told = {path: await get(running, path) for path in ANSWERS}
        told["timeline?days=1"].pop("changes")  # its own status is there, and belongs there
        assert "canary" not in json.dumps(told)
        assert (await get(running, "ledger"))["total"]["files"] == 1
        async with opened(running.endpoints) as finder:
            found = await finder.search(Question(text="question of a canary"))
        assert [hit.exchange_id for hit in found.hits] == ["q"]
        connection = await asyncpg.connect(running.endpoints.postgres_dsn, timeout=5)
        try:
            assert await connection.fetchval("select count(*) from transcripts where source = 'canary'") == 1
            assert await connection.fetchval("select count(*) from conversations") == 1
            assert {row["texts"] for row in await connection.fetch("select texts from coverage")} == {2}
        finally:
            await connection.close()
        async with copies.opened(running.endpoints) as kept:
            report = await verify.verify(
                kept, verify.Scope([Root(str(root.resolve()))], archived=True), lambda *_: None
            )
        assert (report.gaps, report.problems, report.files, report.archived_only) == ([], [], 1, 0)
        writer = running.children["writer"].process
        assert writer is not None
        os.kill(writer.pid, signal.SIGSTOP)
        try:

            async def missed() -> None:
                health = await get(running, "health")
                assert health["canary"]["status"] == "unhealthy", health["canary"]
                assert any(issue.startswith("canary: lost") for issue in health["issues"]), health["issues"]

            await eventually(missed, within=30)
        finally:
            os.kill(writer.pid, signal.SIGCONT)
        await eventually(arrived, within=60)
