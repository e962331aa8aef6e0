"""What a service tells systemd: that it is ready, alive, and stops. Without a manager, nothing is told.

Protocol: sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mnemostream.local.service import watched
from mnemostream.runtime.tasks import cancel_and_wait


def is_service() -> bool:
    """True under a manager that wants to hear of it."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def tell(state: str) -> None:
    """One message: `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=…`."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = f"\0{name[1:]}" if name.startswith("@") else name
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(state.encode(), address)


async def alive() -> None:
    """Tells it as often as the manager wants, until cancelled."""
    wanted = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    while wanted:
        tell("WATCHDOG=1")
        await asyncio.sleep(wanted / 3)


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[None]:
    """While it runs: the manager hears that it is ready and alive, and the next start until when it ran."""
    tasks = [asyncio.create_task(work) for work in (alive(), watched.touching(data))]
    tell("READY=1")
    try:
        yield
    finally:
        tell("STOPPING=1")
        await cancel_and_wait(*tasks)
