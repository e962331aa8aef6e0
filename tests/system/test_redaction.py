"""Redaction on a running system whose watcher is killed at work: nothing is lost, doubled or published as it was."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path

import zstandard

from mnemostream.archive import copies
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local import system
from mnemostream.runtime.secrets.scan import scanner
from tests.conftest import eventually, quick
from tests.integration.secret_sessions import session
from tests.system.pipeline_parts import get
from tests.system.test_cli import mnemo

KILLS, SESSIONS = 3, 60


async def test_a_watcher_that_is_killed_publishes_no_secret_and_loses_nothing(folder: Path) -> None:
    root = folder / "projects"
    root.mkdir()
    secrets = [secret for number in range(SESSIONS) for secret in session(root, f"s{number}", number, 30)[1]]
    size = sum(file.stat().st_size for file in root.iterdir())
    settings = {"MNEMO_REDACT": "publish", "MNEMO_WATCHER_SEGMENT_BYTES": "3000"}
    data = ["--data", str(folder / "d")]
    async with system.running(quick([root], folder / "d", settings=settings, embedders=0), print) as running:
        for _ in range(KILLS):
            watcher = running.children["watcher"].process
            assert watcher is not None
            os.kill(watcher.pid, signal.SIGKILL)
            await eventually(partial(_another, running, watcher.pid), 60)

        async def stored() -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["disk_bytes"] == total["stored_bytes"] == size, total

        await eventually(stored, 120)
        done = mnemo("verify", "--json", *data)
        report = json.loads(done.stdout)
        assert (done.returncode, report["equal"], report["gaps"]) == (0, True, [])
        assert report["replaced"] > SESSIONS * 20
        published = await _published(running)
    assert {event.generation for event in published} == {0}
    assert sum(event.end - event.start for event in published) >= size
    text = b"".join(zstandard.decompress(event.data) for event in published if event.data)
    words = text.decode("utf-8", "replace") + str([event.records for event in published])
    left = [s for s in secrets if scanner().find(f"x={s}".encode()) and json.dumps(s)[1:-1] in words]
    assert left == []


async def _another(running: system.System, pid: int) -> None:
    process = running.children["watcher"].process
    assert process is not None
    assert process.pid != pid
    assert process.returncode is None


async def _published(running: system.System) -> list[TranscriptChanged]:
    """All segments in the log."""
    found = []
    async with copies.opened(running.endpoints) as opened:
        async for message in opened.messages([subjects.CHANGED]):
            event = codec.decode(message.data)
            assert isinstance(event, TranscriptChanged)
            found.append(event)
    return found
