"""The first start of somebody who has no session yet, no model, or a start already."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.conftest import eventually, jsonl, prompt
from tests.system.test_field import PORTS, copied, mnemo


def status(data: list[str]) -> dict[str, object]:
    told = mnemo("status", "--json", *data)
    return json.loads(told.stdout)


def test_the_first_session_is_captured_though_there_was_none_at_the_start(folder: Path) -> None:
    """The bundled examples are shown, and the folders of the assistants are watched."""
    home, data = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "share")}, ["--data", str(folder / "d")]
    (folder / ".claude" / "projects").mkdir(parents=True)
    started = mnemo("up", "--detach", "--embedders", "0", *PORTS, *data, **home)
    try:
        assert "with the bundled examples" in started.stderr, started.stderr
        project = folder / ".claude" / "projects" / "-home-me"
        project.mkdir()
        (project / "first.jsonl").write_bytes(jsonl(prompt("the very first session", "first")))
        codex = folder / ".codex" / "sessions" / "2026" / "11"
        codex.mkdir(parents=True)

        async def captured() -> None:
            found = await asyncio.to_thread(mnemo, "search", "very first session", "--json", *data, **home)
            hits = json.loads(found.stdout)["hits"]
            assert any("the very first session" in json.dumps(hit) for hit in hits)

        asyncio.run(eventually(captured))
        told = status(data)
        assert told["status"] == "healthy", told["issues"]
        assert told["stages"]["embedder"]["cause"].startswith("off: none is wanted")  # type: ignore[index]
    finally:
        assert mnemo("down", *data, **home).returncode == 0


def test_a_second_start_says_what_to_do_and_commands_fail_in_json(folder: Path) -> None:
    source, data = copied(folder / "live"), ["--data", str(folder / "d")]
    up = ["up", "--detach", "--embedders", "0", *PORTS, *data, "--source", str(source)]
    try:
        assert mnemo(*up).returncode == 0
        again = mnemo(*up)
        assert again.returncode == 2
        assert "mnemo down --data" in again.stderr
        assert (folder / "d" / "logs" / "detached.log").stat().st_mode & 0o777 == 0o600
        url = json.loads(mnemo("dashboard", "--json", *data).stdout)["url"]
        assert url == mnemo("dashboard", *data).stdout.strip()
        for command in (["show", "zzz"], ["export", "zzz"], ["restore", "zzz"], ["resume", "zzz"]):
            missing = mnemo(*command, "--json", *data)
            assert missing.returncode == 1, (command, missing)
            assert "mnemo sessions" in json.loads(missing.stdout)["error"], command
        once = mnemo("verify", "--json", *data)
        assert once.returncode in (0, 1)
        next(source.rglob("*.jsonl")).unlink()

        async def told() -> None:
            words = (await asyncio.to_thread(mnemo, "status", *data)).stdout
            assert "of transcripts that are no longer there" in words

        asyncio.run(eventually(told))
    finally:
        mnemo("down", *data)
    stopped = mnemo("search", "x", "--json", *data)
    assert (stopped.returncode, "error" in json.loads(stopped.stdout)) == (3, True)
    assert mnemo("uninstall", "--purge", "--yes", "--data", str(folder / "typo")).returncode == 1
    assert "nothing was started" in mnemo("service", "logs", "--data", str(folder / "typo")).stderr
    check = mnemo("backup", "--check", str(folder / "no-such-file"), *data)
    assert (check.returncode, "Errno" in check.stderr) == (2, False)
