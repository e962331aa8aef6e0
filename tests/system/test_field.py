"""Where this runs: names, environments, damage and signals that users of comparable programs have reported."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from mnemostream.local import folder as data_folder
from mnemostream.local import system
from tests.conftest import EXAMPLES, eventually, jsonl, prompt, quick

MNEMO = str(Path(sys.executable).with_name("mnemo"))
PORTS = [word for name in ("nats", "health", "postgres") for word in (f"--{name}-port", "0")]
HOSTILE = {"HTTP_PROXY": "http://127.0.0.1:9", "LC_ALL": "en_GB.UTF-8-that-is-not-here", "LANGUAGE": "xx"}
RANDOM = "print('a module of somebody else')"


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MNEMO_")} | more


def mnemo(*args: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MNEMO, *args], capture_output=True, text=True, env=environment(**more), cwd=cwd, timeout=120)


def once(data: Path, source: Path, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return mnemo("up", "--once", *PORTS, "--data", str(data), "--source", str(source), cwd=cwd, **more)


def copied(source: Path) -> Path:
    shutil.copytree(EXAMPLES / "-home-milo-work-quarry", source / "-home-milo-work-quarry")
    return source


def test_names_proxies_locales_and_modules_of_others_do_no_harm(folder: Path) -> None:
    """And the second start: passwords cut short by a loss of power, and the database's process id somebody else's."""
    source = copied(folder / "2026-11-25 10:30 'no\ntes'")
    data = folder / ("d" * 120) / 'd:a "ta'
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o755)
    project = folder / "project"
    for module in ("random.py", "queue.py", "services/__init__.py", "runtime/__init__.py"):
        (project / module).parent.mkdir(parents=True, exist_ok=True)
        (project / module).write_text(RANDOM)
    done = once(data, source, project, TMPDIR=str(folder / "tmp"), **HOSTILE)
    assert done.returncode == 0, done.stderr
    assert "3 files" in done.stderr
    assert list((folder / "tmp").iterdir()) == []
    (data / "secrets.json").write_bytes(b"\0" * 300)
    assert "secrets.json is damaged" in mnemo("doctor", "--data", str(data)).stdout
    repaired = mnemo("doctor", "--repair", "--data", str(data))
    assert "new passwords were made" in repaired.stderr
    assert "is damaged" not in repaired.stdout
    done = once(data, source, project, **HOSTILE)
    assert (done.returncode, "3 files" in done.stderr) == (0, True), done.stderr
    (data / "secrets.json").write_bytes(b"")
    (data / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data / 'postgres'}\n1\n")
    done = once(data, source, project, **HOSTILE)
    assert done.returncode == 0, done.stderr
    assert "secrets.json was damaged" in done.stderr
    assert "3 files" in done.stderr
    assert not json.loads((data / "secrets.json").read_text())["lost"]
    (data / "secrets.json").unlink()
    done = once(data, source, project, **HOSTILE)
    assert (done.returncode, "3 files" in done.stderr) == (0, True), done.stderr


def test_once_is_not_done_when_a_named_folder_gave_nothing(folder: Path) -> None:
    for name in ("some", "none"):
        (folder / name).mkdir()
    (folder / "some" / "a.jsonl").write_bytes(jsonl(prompt("hello")))
    (folder / "none" / "b.json").write_text('{"no": "transcript of anybody"}')
    args = ["--source", str(folder / "some"), "--source", str(folder / "none")]
    done = mnemo("up", "--once", *PORTS, "--embedders", "0", "--data", str(folder / "d"), *args)
    assert done.returncode == 1, done.stderr
    assert f"nothing was captured from {folder.resolve() / 'none'} (1 file)" in " ".join(done.stderr.split())


async def test_a_name_that_is_no_utf_8_is_captured_and_the_rest_keeps_its_notifications(folder: Path) -> None:
    bad = os.fsdecode(os.fsencode(folder) + b"/bad/-home-\xe9t\xe9")
    os.makedirs(bad)
    (folder / "good").mkdir()
    Path(bad, "a.jsonl").write_bytes(jsonl(prompt("hello")))
    roots = [(folder / "bad").resolve(), (folder / "good").resolve()]
    plan = quick(roots, folder / "d", settings={"MNEMO_WATCHER_SWEEP_SECONDS": "2"})
    async with system.running(plan, print) as running:

        async def refused() -> None:
            status = await asyncio.to_thread(mnemo, "status", "--json", "--data", str(folder / "d"))
            assert "Unable to decode path" in status.stdout, status.stdout

        await eventually(refused, 60)
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)

        async def stored() -> None:
            assert await connection.fetchval("select count(distinct transcript_id) from segments") == 2

        (folder / "good" / "b.jsonl").write_bytes(jsonl(prompt("second")))
        await eventually(stored, 60)
        await connection.close()
        verified = await asyncio.to_thread(mnemo, "verify", "--data", str(folder / "d"))
        assert verified.returncode == 0, verified.stdout
        assert running.children["watcher"].restarts == 0


def killed_while_starting(data: Path, source: Path, seconds: float) -> None:
    with subprocess.Popen(
        [MNEMO, "up", *PORTS, "--data", str(data), "--source", str(source)],
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as started:
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(seconds)
        family = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(family, 20)


def test_a_first_start_that_is_killed_over_and_over_can_be_repeated(folder: Path) -> None:
    source, data = copied(folder / "live"), folder / "d"
    for _ in range(6):
        killed_while_starting(data, source, random.uniform(0.3, 4.0))
    done = once(data, source)
    assert done.returncode == 0, done.stderr
    assert "3 files" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("number", range(30))
def test_a_first_start_that_is_killed_at_any_moment_can_be_repeated(folder: Path, number: int) -> None:
    source, data = copied(folder / "live"), folder / "d"
    seconds = random.uniform(0.3, 6.0)
    killed_while_starting(data, source, seconds)
    done = once(data, source)
    assert done.returncode == 0, f"killed after {seconds} s: {done.stderr}"
    assert "3 files" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_can_be_stopped_while_it_starts(folder: Path, number: signal.Signals) -> None:
    source, data = copied(folder / "live"), folder / "d"
    argv = [MNEMO, "up", *PORTS, "--data", str(data), "--source", str(source)]
    with subprocess.Popen(argv, env=environment(), stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        assert "data in" in started.stderr.readline()
        started.send_signal(number)
        _, said = started.communicate(timeout=30)
    assert "stopped while starting" in said
    assert started.returncode == 1
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


def test_supervision_goes_on_when_nobody_reads_what_it_says(folder: Path) -> None:
    source, data = copied(folder / "live"), folder / "d"
    reads, writes = os.pipe()
    argv = [MNEMO, "up", *PORTS, "--data", str(data), "--source", str(source)]
    with subprocess.Popen(argv, env=environment(PYTHONIOENCODING="ascii"), stderr=writes) as started:
        os.close(writes)
        os.read(reads, 10)
        os.close(reads)
        try:
            asyncio.run(eventually(lambda: _endpoints(data), 60))
            watcher = _child(started.pid, "mnemostream.services.watcher.main")
            watcher.kill()
            psutil.wait_procs([watcher], 10)
            asyncio.run(eventually(lambda: _is_there(started.pid, "mnemostream.services.watcher.main"), 30))
            assert "watcher exited with code -9" in (data / "logs" / "mnemo.log").read_text()
        finally:
            started.terminate()


async def _endpoints(data: Path) -> None:
    assert (data / "endpoints.json").exists()


async def _is_there(pid: int, module: str) -> None:
    _child(pid, module)


def _child(pid: int, module: str) -> psutil.Process:
    found = [each for each in psutil.Process(pid).children() if module in each.cmdline()]
    assert found
    return found[0]


def test_a_folder_of_another_user_is_left_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secrets.json").write_text("{}")
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(folder / "secrets.json").st_uid + 1)
    with pytest.raises(RuntimeError, match=r"belongs to \w+; run it as \w+"):
        data_folder.owned(folder)


async def test_the_first_seconds_tell_nothing_that_is_not_counted(folder: Path) -> None:
    """Neither "0 bytes = captured" nor bytes that are missing where all is in its place."""
    data, source = folder / "d", copied(folder / "live")
    assert (await asyncio.to_thread(once, data, source)).returncode == 0
    seen: list[str] = []
    async with system.running(quick([source.resolve()], data), print):

        async def counted() -> None:
            said = (await asyncio.to_thread(mnemo, "status", "--data", str(data))).stdout
            seen.append(said)
            assert "texts 15 = embedded" in said

        await eventually(counted, 60)
    assert not [said for said in seen if "on disk 0 bytes" in said or "in the log 0 bytes" in said], seen
