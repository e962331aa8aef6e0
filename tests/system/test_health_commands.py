"""`mnemo status`, `deadletters`, `dashboard` and `doctor` as a person types them, on a running system."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import nats

from mnemostream.contracts import subjects
from mnemostream.local import system
from mnemostream.runtime import bus
from tests.conftest import answer, eventually, jsonl, prompt, quick

MNEMO = [sys.executable, "-W", "ignore", "-m", "mnemostream"]


async def mnemo(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MNEMO_")}
    return await asyncio.to_thread(
        subprocess.run, [*MNEMO, *args], capture_output=True, text=True, env={**clean, **env}, timeout=120
    )


async def test_the_commands_tell_the_truth_and_what_to_do(folder: Path) -> None:
    root, data = folder / "projects", ["--data", str(folder / "data")]
    (root / "-p").mkdir(parents=True)
    (root / "-p" / "s.jsonl").write_bytes(jsonl(prompt("one question"), answer("one answer")))
    async with system.running(quick([root.resolve()], folder / "data"), print) as running:

        async def well() -> None:
            found = await mnemo("status", *data)
            assert found.returncode == 0, found.stdout + found.stderr
            words = ("watcher", "embedder", "writer", "overall ● healthy", "ledger", "watch   watcher-0: notify")
            for word in (*words, "instances 1", "rate ", "failures 0"):
                assert word in found.stdout, found.stdout

        await eventually(well, within=90)
        await _watch(data)
        await _dashboard(running, data)
        await _dead_letters(running, data)
        await _doctor(folder, data)
        await _repaired(running, folder, data)
        await _doctor_of_a_sick_system(running, data, {"HOME": str(folder)})
    gone = await mnemo("status", *data)
    assert gone.returncode == 3
    assert "status unknown" in gone.stderr


async def _watch(data: list[str]) -> None:
    """It shows the state again and again, and Ctrl-C ends it without an error."""
    watching = await asyncio.create_subprocess_exec(
        *MNEMO, "status", "--watch", *data, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert watching.stdout
    seen = 0
    while seen < 2:
        seen += b"overall" in await asyncio.wait_for(watching.stdout.readline(), 30)
    watching.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(watching.communicate(), 30)
    assert (watching.returncode, errors) == (0, b"")
    assert (await mnemo("status", "--watch", "--json", *data)).returncode == 64


async def _doctor_of_a_sick_system(running: system.System, data: list[str], home: dict[str, str]) -> None:
    """Health is frozen: what else is wrong, and what is not, can be told all the same."""
    process = running.children["health"].process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        found = await mnemo("doctor", "--json", *data, **home)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    checks = {check["name"]: check for check in json.loads(found.stdout)["checks"]}
    assert "ports" not in checks
    assert [checks[name]["state"] for name in ("health", "bus", "database")] == ["wrong", "ok", "ok"], checks


async def _dashboard(running: system.System, data: list[str]) -> None:
    url = (await mnemo("dashboard", *data)).stdout.strip()
    assert url == f"{running.endpoints.health_url}/#token={running.endpoints.health_token}"
    assert len(running.endpoints.health_token) > 20
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(url)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def _dead_letters(running: system.System, data: list[str]) -> None:
    none = await mnemo("deadletters", "list", *data)
    assert (none.returncode, "no dead letters" in none.stderr) == (0, True)
    client = await nats.connect(running.endpoints.nats_url)
    try:
        await client.jetstream().publish(subjects.changed("claude-code", "poison"), b'{"type":"Poison"}')

        async def listed() -> list[dict[str, object]]:
            found = await mnemo("deadletters", "list", "--json", *data)
            letters = json.loads(found.stdout)["deadletters"]
            assert (found.returncode, len(letters)) == (1, 2), found.stdout  # of the embedder and of the writer
            return letters

        letters = await eventually(listed)
        number = next(letter["sequence"] for letter in letters if letter["stage"] == "writer")
        both = await mnemo("deadletters", "retry", "--all", *data)
        assert both.stdout.count("last outcome: it failed again") == 2, both.stdout + both.stderr
        tried = await mnemo("deadletters", "retry", str(number), "99999", *data)
        assert "letter 99999: no dead letter" in tried.stderr
        assert tried.returncode == 1
        assert "last outcome: it failed again" in tried.stdout, tried.stdout
        strange = await mnemo("deadletters", "retry", "99999", *data)
        assert (strange.returncode, "no dead letter 99999" in strange.stderr) == (3, True)
        status = await mnemo("status", *data)
        assert status.returncode == 1
        assert "dead-lettered in the last 10 minutes: 1" in status.stdout
        shown = await mnemo("deadletters", "show", str(number), *data)
        assert '{"type":"Poison"}' in shown.stdout
        whole = await mnemo("deadletters", "show", str(number), "--payload", *data)
        assert whole.stdout == '{"type":"Poison"}'
        assert (await mnemo("deadletters", "retry", *data)).returncode == 64
        nothing = await mnemo("deadletters", "drop", "--reason", "no such words", *data)
        assert (nothing.returncode, "2 dead letters" in nothing.stderr) == (1, True)
        left = await mnemo("deadletters", "drop", "--stage", "embedder", *data)
        assert (left.returncode, "1 dead letter;" in left.stderr) == (1, True), left.stderr
        dropped = await mnemo("deadletters", "drop", "--all", *data)
        assert (dropped.returncode, dropped.stdout) == (0, ""), dropped.stdout
    finally:
        await client.close()

    async def gone() -> None:
        assert (await mnemo("deadletters", "list", *data)).returncode == 0
        status = await mnemo("status", *data)
        assert status.returncode == 0, status.stdout

    await eventually(gone)


async def _doctor(folder: Path, data: list[str]) -> None:
    home = {"HOME": str(folder), "CLAUDE_CONFIG_DIR": str(folder / "none")}
    found = await mnemo("doctor", "--json", *data, **home)
    checks = {check["name"]: check for check in json.loads(found.stdout)["checks"]}
    wanted = {"versions", "settings", "model", "health", "disk", "permissions", "clock", "services", "bus", "database"}
    assert wanted <= set(checks)
    wrong = [check for check in checks.values() if check["state"] == "wrong" and check["name"] != "disk"]
    assert wrong == []
    (folder / "data" / "endpoints.json").chmod(0o644)
    ill = await mnemo(
        "doctor", "--json", *data, **home, MNEMO_HEALTH_DESIRED="embeder=2", MNEMO_EMBEDDER_MODEL=str(folder)
    )
    assert ill.returncode == 1
    checks = {check["name"]: check for check in json.loads(ill.stdout)["checks"]}
    found = await mnemo("dashboard", "--json", *data)
    assert json.loads(found.stdout)["url"].startswith("http://127.0.0.1:")
    for name in ("settings", "model", "permissions"):
        assert checks[name]["state"] == "wrong", checks[name]
        assert checks[name]["remedy"], checks[name]
    (folder / "data" / "endpoints.json").chmod(0o600)


async def _repaired(running: system.System, folder: Path, data: list[str]) -> None:
    """A stream that somebody changed is named by doctor, and repaired when it is told to."""
    home = {"HOME": str(folder), "CLAUDE_CONFIG_DIR": str(folder / "none")}
    async with bus.connect(running.endpoints.nats_url, "a person") as operator:
        config = (await operator.stream.stream_info("TRANSCRIPTS")).config
        config.max_msgs = 5_000_000
        await operator.stream.update_stream(config)
    said = await mnemo("doctor", *data, **home)
    assert said.returncode == 1
    assert "max_msgs is 5000000, should be -1" in said.stdout
    assert "mnemo doctor --repair" in said.stdout
    repaired = await mnemo("doctor", "--repair", *data, **home)
    assert "streams and consumers match the topology" in repaired.stderr

    async def gone() -> None:  # the health service takes three judgements to believe it
        again = await mnemo("doctor", *data, **home)
        assert "max_msgs" not in again.stdout, again.stdout

    await eventually(gone)
