"""The log of a data folder, whether it runs or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mnemostream.local import endpoints, folder, nats_conf
from mnemostream.local.child import Child
from mnemostream.local.nats_server import Nats
from mnemostream.local.ports import free_port
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus


@asynccontextmanager
async def alone(data: Path) -> AsyncIterator[Bus]:
    """A server on the streams of `data`, for as long as needed; nothing else may run on them.
    Raises RuntimeError, Transient."""
    (data / "logs").mkdir(parents=True, exist_ok=True)
    claim = free_port(0)
    try:
        server = Nats(data, claim.number, Secrets.of(data).nats)
        child = Child(server.spec(), lambda _: None)
        await child.start()
        try:
            await server.ready(child)
            async with bus.connect(server.own_url(nats_conf.OPERATOR), "mnemo") as connection:
                yield connection
        finally:
            await child.stop()
    finally:
        claim.close()


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Bus]:
    """That of the system that runs on `data`; a server alone if none does.

    Raises NotRunning where there is no archive, Busy, RuntimeError, Transient.
    """
    try:
        url = endpoints.read(data).nats_url
    except endpoints.NotRunning:
        if not (data / "nats").is_dir():
            raise
        folder.owned(data)
        with folder.lock(data):
            async with alone(data) as connection:
                yield connection
        return
    async with bus.connect(url, "mnemo", within=5) as connection:
        yield connection
