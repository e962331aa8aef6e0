"""Looking with the nats CLI: a context for it, and what its user may and may not do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import nats
import pytest

from mnemostream.contracts import topology
from mnemostream.local import system
from tests.conftest import EXAMPLES, eventually, quick
from tests.system.test_cli import mnemo

LOOKS = (
    ("stream", "ls"),
    ("stream", "report"),
    ("stream", "info", "TRANSCRIPTS"),
    ("stream", "get", "TRANSCRIPTS", "1"),
    ("consumer", "ls", "TRANSCRIPTS"),
    ("consumer", "report", "TRANSCRIPTS"),
    ("consumer", "info", "TRANSCRIPTS", "writer"),
    ("server", "check", "jetstream"),
)
"""What an operator looks at with `nats --context mnemo …` (docs/operations.md)."""


async def connected(file: Path) -> Any:
    context = json.loads(file.read_text())
    return await nats.connect(
        context["url"],
        user=context["user"],
        password=context["password"],
        inbox_prefix=context["inbox_prefix"],
        error_cb=_refused,
        allow_reconnect=False,
    )


async def _refused(error: Exception) -> None:
    """What is not allowed is told to the connection, and never answered."""


async def test_a_context_looks_at_everything_and_changes_nothing(folder: Path) -> None:
    config = folder / "config"
    made = ("nats-context", "--data", str(folder / "d"))
    plan = quick([EXAMPLES.resolve()], folder / "d")
    async with system.running(plan, print):
        done = await asyncio.to_thread(mnemo, *made, XDG_CONFIG_HOME=str(config))
        assert (done.returncode, done.stdout) == (0, "nats --context mnemo stream ls\n"), done.stderr
        done = await asyncio.to_thread(mnemo, *made, "--system", XDG_CONFIG_HOME=str(config))
        assert (done.returncode, done.stdout) == (0, "nats --context mnemo-system server report jetstream\n")
        file = config / "nats" / "context" / "mnemo.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        client = await connected(file)
        await eventually(lambda: _listed(client), 30)
        await _changes_nothing(client)
        await client.close()
        client = await connected(file.with_name("mnemo-system.json"))
        answer = await client.request("$SYS.REQ.SERVER.PING.VARZ", b"", timeout=5)
        assert json.loads(answer.data)["data"]["jetstream"]
        await client.close()
        if shutil.which("nats"):
            for words in LOOKS:
                await asyncio.to_thread(_looked, config, words)
    assert file.is_symlink()
    assert not file.exists()
    done = await asyncio.to_thread(mnemo, *made, XDG_CONFIG_HOME=str(config))
    assert "nothing is running" in " ".join(done.stderr.split())


async def _listed(client: Any) -> None:
    streams = json.loads((await client.request("$JS.API.STREAM.LIST", b"", timeout=5)).data)["streams"]
    assert {each["config"]["name"] for each in streams} == {stream.name for stream in topology.STREAMS}
    assert all(each["config"].get("description") for each in streams)
    consumers = json.loads((await client.request("$JS.API.CONSUMER.LIST.TRANSCRIPTS", b"", timeout=5)).data)
    assert all(each["config"].get("description") for each in consumers["consumers"])
    subjects = json.loads(
        (await client.request("$JS.API.STREAM.INFO.HEARTBEATS", b'{"subjects_filter":">"}', timeout=5)).data
    )["state"]["subjects"]
    assert {"heartbeats.writer.writer-0", "heartbeats.watcher.watcher-0", "heartbeats.embedder.embedder-0"} <= {
        *subjects
    }


async def _changes_nothing(client: Any) -> None:
    for subject in (
        "transcripts.changed.evil.x",
        "$JS.API.CONSUMER.MSG.NEXT.TRANSCRIPTS.writer",
        "$JS.API.STREAM.PURGE.HEARTBEATS",
        "$JS.API.STREAM.DELETE.TRANSCRIPTS",
        "$JS.API.CONSUMER.DELETE.TRANSCRIPTS.writer",
        "$JS.API.CONSUMER.PAUSE.TRANSCRIPTS.writer",
    ):
        with pytest.raises((nats.errors.TimeoutError, nats.errors.NoRespondersError)):
            await client.request(subject, b"{}", timeout=0.3)


def _looked(config: Path, words: tuple[str, ...]) -> None:
    env = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    done = subprocess.run(["nats", "--context", "mnemo", *words], capture_output=True, text=True, env=env, timeout=30)
    assert done.returncode == 0, f"{words}: {done.stderr}"
