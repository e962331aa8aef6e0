"""The whole system as a user runs it: real processes, NATS, PostgreSQL, the real model."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from mnemostream.local import system
from mnemostream.local.folder import Busy
from tests.conftest import EXAMPLES, answer, eventually, jsonl, prompt, quick, unreadable
from tests.system.pipeline_parts import (
    archived,
    database,
    get,
    session,
)


async def test_bad_input_is_kept_counted_and_stops_nothing(folder: Path) -> None:
    root = folder / "projects" / "-bad"
    root.mkdir(parents=True)
    good = jsonl(prompt("a good line", "good"), answer("seen"))
    long = "".join(f"w{number} " for number in range(300_000))
    tool = {"type": "tool_result", "tool_use_id": "t", "content": "x" * 30_000_000}
    (root / "empty.jsonl").write_bytes(b"")
    (root / "torn.jsonl").write_bytes(good + b'{"type":"user","uu')
    (root / "broken.jsonl").write_bytes(b"{nope\n" + good.replace(b"good", b"next"))
    (root / "binary.jsonl").write_bytes(bytes(range(256)) * 50)
    (root / "unknown.jsonl").write_bytes(jsonl({"type": "hologram", "uuid": "h"}, prompt("x\0y\ud800z", "odd")))
    (root / "large.jsonl").write_bytes(
        jsonl({**prompt(""), "message": {"role": "user", "content": [tool]}}, prompt(long, "long"))
    )
    unreadable(root / "closed.jsonl")
    async with system.running(quick([root.parent], folder / "data"), print) as running, database(running) as c:
        files = [file for file in root.glob("*.jsonl") if file.name != "closed.jsonl"]

        async def kept() -> None:
            for file in files:
                assert await archived(c, f"-bad/{file.name}") == file.read_bytes(), file.name
            names = {row["exchange_id"] for row in await c.fetch("select exchange_id from conversations")}
            assert {"good", "next", "odd", "long"} <= names

        await eventually(kept, within=120)

        async def told() -> None:
            stats = (await get(running, "/v1/autosave/stats")).json()["watcher"]
            assert stats["lines"]["damaged:invalid_json"] >= 1
            assert stats["lines"]["unknown:hologram"] == 1
            health = (await get(running, "/v1/autosave/health")).json()
            assert any("damaged line" in issue for issue in health["issues"]), health["issues"]
            assert any("closed.jsonl" in issue for issue in health["issues"]), health["issues"]
            assert stats["unreadable_files"] == 1

        await eventually(told)
        stored = await c.fetchval("select prompt from conversations where exchange_id = 'long'")
        assert stored == long.strip()
        assert (await c.fetchval("select prompt from conversations where exchange_id = 'odd'")) == "x\ufffdy\ufffdz"
        letters = (await get(running, "/v1/autosave/stats")).json()["streams"]["DEADLETTERS"]["messages"]
        assert letters == 0


async def test_a_lost_database_is_named_at_once_and_forgiven_later(folder: Path) -> None:
    root = folder / "projects"
    session(root, 1)
    async with system.running(quick([root.resolve()], folder / "data"), print) as running:

        async def status(wanted: int, word: str) -> None:
            answer = await get(running, "/v1/autosave/health")
            assert answer.status_code == wanted, answer.text
            assert word in answer.text

        await eventually(lambda: status(200, "healthy"))
        child = running.children["postgres"]
        assert child.process is not None
        server = psutil.Process(child.process.pid)
        frozen = [server, *server.children(recursive=True)]
        for process in frozen:
            process.suspend()
        try:
            await eventually(lambda: status(503, "the database does not accept rows"))
        finally:
            for process in frozen:
                process.resume()
        await eventually(lambda: status(200, "healthy"), within=120)


async def test_two_systems_do_not_share_a_folder(folder: Path) -> None:
    plan = quick([EXAMPLES], folder / "data", embedders=0)
    async with system.running(plan, print):
        with pytest.raises(Busy, match="already runs"):
            async with system.running(plan, print):
                pass
