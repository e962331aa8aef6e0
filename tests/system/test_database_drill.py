"""Fifty kills of the watcher and of a database's owner, at random: nothing is lost, nothing is written twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts.sources import Root
from mnemostream.local import system
from tests.conftest import eventually, quick
from tests.integration.test_rows import Owner, part
from tests.sources.databases import DATABASES
from tests.sources.samples import build
from tests.system.test_cli import mnemo

KILLS = 50


@pytest.mark.long
async def test_kills_of_the_watcher_and_of_the_owner_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("MNEMO_TEST_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    file, data = tmp_path / "live" / "opencode.db", tmp_path / "d"
    build(file, DATABASES["opencode"]())
    kills: Counter[str] = Counter()
    async with system.running(quick([Root(str(file.parent), "opencode")], data), print) as running:
        owner, number = Owner(file), 0
        while kills.total() < KILLS:
            for _ in range(5):
                owner.run(part(number, f"text {number}"))
                edited = json.dumps({"type": "text", "text": f"edit {number}"})
                target = f"prt_9{chance.randrange(number + 1):05}"
                owner.run(("update part set data = ? where id = ?", (edited, target)))
                number += 1
                await asyncio.sleep(chance.random() * 0.2)
            if chance.random() < 0.5 and (pid := running.children["watcher"].pid):
                os.kill(pid, signal.SIGKILL)
                kills["watcher"] += 1
            else:
                owner.kill()
                owner = Owner(file)
                kills["owner"] += 1
        owner.leave()

        async def equal() -> dict[str, Any]:
            done = await asyncio.to_thread(mnemo, "verify", "--all", "--json", "--data", str(data))
            report: dict[str, Any] = json.loads(done.stdout)
            assert report["equal"], (seed, report["gaps"])
            assert report["databases"] == 1
            return report

        await eventually(equal, 120)
        lines = next((data / "rows").glob("*/ses_1.jsonl")).read_bytes().splitlines()
        assert len(lines) == len(set(lines)), f"a state was written twice: MNEMO_TEST_SEED={seed}"
