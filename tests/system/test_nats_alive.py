"""The health check of the nats container: it ends a server that a restart would mend, and no other."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "ops/nats/alive.sh"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """`wget` that answers as the file `answer` says, and `df` that says how much is free."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in {
        "wget": f"exit $(cat {tmp_path}/answer)",
        "df": f"echo header; echo x x x $(cat {tmp_path}/free)",
    }.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


async def checked(tools: Path, pid: int, *, well: bool, free: int) -> int:
    """Exit code of one check."""
    (tools.parent / "answer").write_text("0" if well else "1")
    (tools.parent / "free").write_text(str(free))
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "NATS_PID": str(pid), "TMPDIR": str(tools.parent)}
    process = await asyncio.create_subprocess_exec("sh", str(SCRIPT), env=env, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_a_server_that_was_well_is_ended_after_three_bad_checks_and_only_with_room(tools: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    server = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        assert await checked(tools, server.pid, well=True, free=10**6) == 0
        for _ in range(6):
            assert await checked(tools, server.pid, well=False, free=100) == 1
        assert server.returncode is None, "ended while its disk is full"
        assert await checked(tools, server.pid, well=False, free=10**6) == 1
        assert await asyncio.wait_for(server.wait(), 10) == -15
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_a_server_that_reads_its_store_is_left_alone(tools: Path) -> None:
    server = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        for _ in range(10):
            assert await checked(tools, server.pid, well=False, free=10**6) == 1
        assert server.returncode is None
    finally:
        server.kill()
        await server.wait()
