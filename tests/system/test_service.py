"""In the background, stopped, and what the next start tells of the time between."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from mnemostream.local.service import watched
from tests.conftest import eventually
from tests.system.test_field import PORTS, copied, mnemo


def test_it_runs_in_the_background_until_it_is_stopped_and_the_next_start_tells_the_gap(folder: Path) -> None:
    source, data = copied(folder / "live"), folder / "d"
    options = ["--data", str(data)]
    up = ["up", "--detach", "--embedders", "0", *PORTS, *options, "--source", str(source)]
    try:
        started = mnemo(*up)
        assert started.returncode == 0, started.stderr
        assert "running in the background" in started.stderr
        again = mnemo(*up)
        assert (again.returncode, "Mnemostream already runs on" in again.stderr) == (2, True), again.stderr
        assert "/autosave" in mnemo("service", "logs", *options).stdout

        async def counted() -> None:
            assert watched.absent(data) == 0

        asyncio.run(eventually(counted))
    finally:
        stopped = mnemo("down", *options)
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n"), stopped.stderr
    assert "nothing runs on" in mnemo("down", *options).stderr
    next(source.rglob("*.jsonl")).unlink()
    long_ago = (data / watched.FILE).stat().st_mtime - 3 * 86400
    os.utime(data / watched.FILE, (long_ago, long_ago))
    once = mnemo("up", "--once", "--embedders", "0", *PORTS, *options, "--source", str(source))
    assert "nothing was watched for 3.0 days, since 20" in " ".join(once.stderr.split()), once.stderr
    assert "may be lost" not in once.stderr
    assert "deleted while nothing was watched: 1 transcript, archived as they were last seen" in once.stderr
    again = mnemo("up", "--once", "--embedders", "0", *PORTS, *options, "--source", str(source))
    assert "deleted while" not in again.stderr, "told once"


def test_a_background_start_that_fails_says_why(folder: Path) -> None:
    (folder / "live").mkdir()
    (folder / "d").write_text("a file")
    failed = mnemo("up", "--detach", "--data", str(folder / "d"), "--source", str(folder / "live"))
    assert failed.returncode == 2
    assert "cannot start" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_uninstall_takes_back_what_was_set_up_and_with_purge_the_archive(folder: Path) -> None:
    source, data, claude = copied(folder / "live"), folder / "d", folder / "claude"
    claude.mkdir()
    settings = claude / ".claude.json"
    settings.write_text('{"theme": "dark"}')
    options = ["--data", str(data)]
    homes = {"HOME": str(folder), "CLAUDE_CONFIG_DIR": str(claude), "XDG_CONFIG_HOME": str(folder / "config")}
    up = ["up", "--detach", "--embedders", "0", *PORTS, *options, "--source", str(source)]
    assert mnemo(*up, **homes).returncode == 0
    assert mnemo("mcp", "install", "claude-code", "--yes", *options, **homes).returncode == 0
    assert mnemo("nats-context", *options, **homes).returncode == 0
    (data / "notes of somebody else.txt").write_text("stays")
    for name in ("secrets", "service", "endpoints"):
        (data / name).mkdir()
        (data / name / "mine.txt").write_text("stays")
    kept = mnemo("uninstall", *options, **homes)
    assert kept.returncode == 0, kept.stderr
    assert "the archive stays in" in kept.stdout
    assert json.loads(settings.read_text()) == {"theme": "dark"} | {"mcpServers": {}} or "mnemostream" not in (
        settings.read_text()
    )
    assert list((folder / "config" / "nats" / "context").iterdir()) == []
    assert "nothing runs on" in mnemo("down", *options).stderr
    assert (data / "nats" / "jetstream").is_dir()

    refused = mnemo("uninstall", "--purge", "--yes", "--data", str(source), **homes)
    assert (refused.returncode, "is no data folder" in refused.stderr) == (2, True), refused.stderr
    assert len(list(source.rglob("*.jsonl"))) == 3
    gone = mnemo("uninstall", "--purge", "--yes", *options, **homes)
    assert gone.returncode == 0, gone.stderr
    assert "notes of somebody else.txt" in gone.stderr
    left = {str(file.relative_to(data)) for file in data.rglob("*") if file.is_file()}
    assert left == {"notes of somebody else.txt", "secrets/mine.txt", "service/mine.txt", "endpoints/mine.txt"}


def test_commands_are_told_as_they_work_here(folder: Path) -> None:
    done = mnemo("status", "--data", str(folder / "my data"))
    assert f"mnemo up --data '{folder / 'my data'}'`" in done.stderr
    command = re.search("`(.+?) up --data", done.stderr)
    assert command
    assert subprocess.run([*shlex.split(command[1]), "--version"], capture_output=True).returncode == 0
    assert max(map(len, done.stderr.splitlines())) > 80, "folded in a pipe"
