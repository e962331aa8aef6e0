"""`mnemo up` in the background, of no terminal: started, and waited for until it answers or has ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnemostream.contracts.sources import Root
from mnemostream.local import endpoints, folder
from mnemostream.runtime.process.command import python

LOOK_SECONDS = 0.2
LOG = "logs/mnemo.log"


def command(data: Path, roots: Sequence[Root], embedders: int, ports: Mapping[str, int]) -> list[str]:
    """`mnemo up` with these options; a port's name is that of its parameter."""
    words = [*python("mnemostream", "up"), "--data", str(data), "--embedders", str(embedders)]
    words += [word for root in roots for word in ("--source", str(root))]
    return words + [word for name, port in ports.items() for word in (f"--{name.replace('_', '-')}", str(port))]


async def start(command: Sequence[str], data: Path) -> int:
    """Its process id, as soon as it answers. Raises RuntimeError with what it said if it ended."""
    if folder.in_use(data):
        raise folder.Busy(data)
    log = data / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(data / "logs" / "detached.log", mode, 0o600), "wb") as said:
        process = subprocess.Popen(  # noqa: ASYNC220 - it is to outlive this process and its loop
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd="/"
        )
    while process.poll() is None:
        try:
            endpoints.read(data)
            return process.pid
        except endpoints.IsEdge:
            return process.pid
        except endpoints.NotRunning:
            await asyncio.sleep(LOOK_SECONDS)
    told = (data / "logs" / "detached.log").read_text("utf-8", errors="replace").strip().splitlines()
    raise RuntimeError("\n".join(told[-5:]) or f"it ended with code {process.returncode}")


async def gone(data: Path, seconds: float) -> bool:
    """True as soon as nothing runs on the folder; False after `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while folder.in_use(data):
        if loop.time() > end:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
