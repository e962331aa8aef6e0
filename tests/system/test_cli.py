"""`mnemo` as a person types it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import EXAMPLES, eventually, jsonl, prompt, unreadable

MNEMO = [sys.executable, "-W", "ignore", "-m", "mnemostream"]


def mnemo(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MNEMO_")}
    return subprocess.run([*MNEMO, *args], capture_output=True, text=True, env={**clean, **env}, timeout=500)


def test_once_runs_on_the_examples_where_there_is_nothing_and_ends_with_zero(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = mnemo("up", "--once", "--data", str(folder / "d"), "--nats-port", port, CLAUDE_CONFIG_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert "with the bundled examples" in done.stderr
    assert f"port {port} is in use" in done.stderr
    assert "all texts embedded" in done.stderr
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]
    assert left == []


def test_once_says_why_it_cannot_be_done(folder: Path) -> None:
    root = folder / "projects"
    root.mkdir()
    (root / "good.jsonl").write_bytes(jsonl(prompt("hello there")))
    unreadable(root / "bad.jsonl")
    done = mnemo("up", "--once", "--data", str(folder / "d"), "--source", str(root), "--nats-port", "0")
    assert done.returncode == 1, done.stderr
    assert "bad.jsonl" in done.stderr


@pytest.mark.parametrize("why", ["no embedder runs", "cannot be loaded"])
def test_saving_goes_on_without_an_embedder_and_says_what_is_missing(folder: Path, why: str) -> None:
    more = ["--embedders", "0"] if "no embedder" in why else []
    env = {} if more else {"MNEMO_EMBEDDER_MODEL": str(folder / "no-such-model")}
    args = ["--data", str(folder / "d"), "--source", str(EXAMPLES), "--nats-port", "0", "--health-port", "0"]
    done = mnemo("up", "--once", *args, "--postgres-port", "0", *more, **env)
    assert done.returncode == 4, done.stderr
    assert "captured and stored" in done.stderr
    assert "not embedded:" in done.stderr
    assert why in " ".join(done.stderr.split())


async def test_ctrl_c_stops_everything_and_status_and_search_answer_before(folder: Path) -> None:
    data = ["--data", str(folder / "d")]
    ports = ["--nats-port", "0", "--health-port", "0", "--postgres-port", "0"]
    running = subprocess.Popen(  # noqa: ASYNC220 - started once
        [*MNEMO, "up", *data, *ports, "--source", str(EXAMPLES)], stderr=subprocess.DEVNULL
    )
    try:

        async def answers() -> None:
            found = mnemo("search", "--json", "customers billed twice by parallel jobs", *data)
            assert found.returncode == 0, found.stderr
            answer = json.loads(found.stdout)
            assert answer["mode"] == "hybrid", answer["note"]
            assert {"exchange_id", "session_id", "project", "started_at", "snippet"} <= set(answer["hits"][0])
            status = mnemo("status", "--json", *data)
            assert status.returncode == 0, status.stdout
            assert json.loads(status.stdout)["status"] == "healthy"

        await eventually(answers, within=120)
        assert "watcher" in mnemo("status", *data).stdout
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    finally:
        if running.poll() is None:
            running.kill()
    assert mnemo("status", *data).returncode == 3


def test_a_killed_parent_leaves_no_process_behind(folder: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel's parent-death signal is Linux only")
    ports = ["--nats-port", "0", "--health-port", "0", "--postgres-port", "0"]
    running = subprocess.Popen([*MNEMO, "up", "--data", str(folder / "d"), *ports, "--source", str(EXAMPLES)],
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("search"):
            break
    children = psutil.Process(running.pid).children(recursive=True)
    assert len(children) >= 6
    running.kill()
    running.wait()
    running.stderr.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


@pytest.mark.parametrize("args", [["up", "--source", "/nowhere"], ["search"], ["nonsense"], ["status", "--bogus"]])
def test_bad_usage_is_64(args: list[str]) -> None:
    done = mnemo(*args)
    assert done.returncode == 64
    assert "Error" in done.stderr


def test_status_without_a_system_cannot_tell(folder: Path) -> None:
    done = mnemo("status", "--json", "--data", str(folder))
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "unknown"
    assert "mnemo up" in done.stderr


def test_a_shell_completes_commands_and_options() -> None:
    for shell in ("bash", "zsh", "fish"):
        done = mnemo("completion", shell)
        assert (done.returncode, "_MNEMO_COMPLETE" in done.stdout) == (0, True), done.stderr
    asked = {"_MNEMO_COMPLETE": "bash_complete", "COMP_WORDS": "mnemo res", "COMP_CWORD": "1"}
    assert {"plain,restore", "plain,resume", "plain,restore-backup"} <= set(mnemo(**asked).stdout.split())
    assert mnemo("completion", "csh").returncode == 64
