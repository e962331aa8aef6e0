"""verify, restore, replay, forget, doctor and the ledger, on one running system, as a person types them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg

from mnemostream.contracts.sources import Root
from mnemostream.local import system
from tests.conftest import EXAMPLES, ROOT, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import get
from tests.system.test_cli import mnemo

GEMINI = ROOT / "tests" / "conformance" / "formats" / "gemini"
CODEX = ROOT / "tests" / "conformance" / "formats" / "codex"
DAY = 86400.0


async def test_the_archive_proves_itself_gives_back_and_forgets(folder: Path) -> None:
    claude, gemini, codex, home = folder / "claude", folder / "gemini", folder / "codex", folder / "home"
    shutil.copytree(EXAMPLES, claude)
    shutil.copytree(GEMINI, gemini, ignore=shutil.ignore_patterns("*.expected.json"))
    shutil.copytree(CODEX, codex, ignore=shutil.ignore_patterns("*.expected.json"))
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / "projects").symlink_to(claude)
    (home / ".claude" / "settings.json").write_text('{"cleanupPeriodDays": 20}')
    data = ["--data", str(folder / "d")]
    env = {"HOME": str(home), "XDG_DATA_HOME": str(folder)}
    roots = [Root(str(claude)), Root(str(gemini)), Root(str(codex), "codex")]
    async with system.running(quick(roots, folder / "d"), print) as running:

        async def ledger() -> dict[str, Any]:
            return await answer(running, "ledger")

        async def balanced() -> dict[str, Any]:
            found = await ledger()
            assert found["balanced"], found
            assert set(found["sources"]) == {"claude-code", "codex", "gemini"}
            return found

        found = await eventually(balanced, 120)
        size = sum(f.stat().st_size for root in (claude, gemini, codex) for f in root.rglob("*.json*"))
        for column in ("disk_bytes", "captured_bytes", "published_bytes", "log_bytes", "stored_bytes"):
            assert found["total"][column] == size, column
        assert found["total"]["texts"] == found["total"]["embedded"] > 50
        assert found["sources"]["gemini"]["files"] == 2

        done = mnemo("verify", "--json", *data)
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert (report["equal"], report["bytes"], report["texts_without_vector"]) == (True, size, 0)
        assert "all equal" in mnemo("verify", "--all", *data).stdout
        assert "all equal" in mnemo("verify", "--source", str(gemini), *data).stdout

        await _guard(claude, data, env)
        await _restore(claude, data, folder)
        await _damage_and_replay(running, data)
        await _forget(claude, data, running)

        doctor = mnemo("doctor", "--json", *data, **env)
        told = json.loads(doctor.stdout)
        watched = {row["folder"]: row["files"] for row in told["folders"] if row["watched"]}
        assert watched[str(codex)] == 1
        assert {row["source"] for row in told["folders"]} >= {"claude-code", "codex", "gemini", "copilot", "pi", "qwen"}
        assert "watched" in mnemo("doctor", *data, **env).stdout


async def answer(running: system.System, name: str) -> dict[str, Any]:
    """What the API says."""
    found = await get(running, f"/v1/autosave/{name}")
    assert found.status_code == 200, found.text
    return dict(found.json())


async def _guard(claude: Path, data: list[str], env: dict[str, str]) -> None:
    """Two old transcripts: archived, they are safe; a new old one that no sweep has seen yet is not."""
    old = sorted(claude.rglob("*.jsonl"))[:2]
    for file in old:
        moment = time.time() - 15 * DAY  # noqa: TID251 - a file's age
        os.utime(file, (moment, moment))
    words = "Claude Code deletes after 20 days: 2 transcripts will be deleted within 7 days; all 2 are archived"
    status = " ".join(mnemo("status", *data, **env).stdout.split())
    assert words in status
    assert "watch watcher-0: notify, a sweep every" in status
    assert "ledger on disk" in status


async def _restore(claude: Path, data: list[str], folder: Path) -> None:
    file = max(claude.rglob("*.jsonl"), key=lambda f: f.stat().st_size)
    content = file.read_bytes()
    file.unlink()
    done = mnemo("restore", file.stem, *data)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == content
    copy = folder / "copy.jsonl"
    assert mnemo("restore", file.stem, "-o", str(copy), *data).returncode == 0
    assert copy.read_bytes() == content
    copy.write_bytes(b"mine")
    refused = mnemo("restore", file.stem, "-o", str(copy), *data)
    assert (refused.returncode, copy.read_bytes()) == (1, b"mine")
    assert "--force" in refused.stderr
    unknown = mnemo("restore", "no-such-session", *data)
    assert (unknown.returncode, "no-such-session" in unknown.stderr) == (1, True)

    async def no_new_generation() -> None:
        done = mnemo("verify", *data)
        assert done.returncode == 0, done.stdout

    await eventually(no_new_generation, 60)


async def _damage_and_replay(running: system.System, data: list[str]) -> None:
    connection = await asyncpg.connect(running.endpoints.postgres_dsn)
    victim = await connection.fetchrow("select transcript_id, start_offset, end_offset from segments limit 1")
    assert victim is not None
    await connection.execute("delete from segments where transcript_id = $1", victim["transcript_id"])
    done = mnemo("verify", *data)
    assert done.returncode == 1
    assert "database: bytes 0 to" in done.stdout
    assert "mnemo replay" in done.stderr
    replay = json.loads(mnemo("replay", "--reparse", "--json", *data).stdout)
    differed = [table["name"] for table in replay["replay"]["tables"] if not table["equal"]]
    assert (differed, replay["reparse"]["reparsed"]) == (["segments"], 0)
    assert replay["before"] == replay["after"]
    assert replay["after"]["records: prompt"] > 0
    again = json.loads(mnemo("replay", "--json", *data).stdout)
    assert all(table["equal"] for table in again["replay"]["tables"]), again
    assert mnemo("verify", *data).returncode == 0
    await connection.close()


async def _forget(claude: Path, data: list[str], running: system.System) -> None:
    file = claude / "-home-dana-secret" / "5ec7e700-0000-4000-8000-000000000001.jsonl"
    file.parent.mkdir()
    file.write_bytes(jsonl(prompt("the password of the vault is swordfish")))

    async def hits(text: str) -> list[str]:
        found = mnemo("search", "--json", text, *data)
        return [hit["session_id"] for hit in json.loads(found.stdout)["hits"]]

    async def found() -> None:
        assert file.stem in await hits("the password of the vault is swordfish")

    await eventually(found, 60)
    dry = json.loads(mnemo("forget", file.stem, "--dry-run", "--json", *data).stdout)
    assert (dry["done"], dry["records"], dry["messages"]) == (False, 1, 2)
    await found()
    done = mnemo("forget", file.stem, "--yes", "--json", *data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"]
    with file.open("ab") as handle:
        handle.write(jsonl(prompt("the password of the vault is now marlin")))

    async def swept_again() -> None:
        stats = await answer(running, "stats")
        assert stats["watcher"]["sweeps"] > sweeps
        assert stats["watcher"]["forgotten_files"] == 1

    sweeps = 0
    await eventually(swept_again, 30)
    process = running.children["watcher"].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await eventually(swept_again, 60)
    assert file.stem not in await hits("the password of the vault")
    assert mnemo("restore", file.stem, *data).returncode == 1
    report = json.loads(mnemo("verify", "--all", "--json", *data).stdout)
    assert (report["equal"], report["forgotten"]) == (True, 1)
