"""An archive that was filled the real way: capture to a real log, replay to a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from archive import copies
from archive.copies import Archive
from contracts.events import Stage
from contracts.sources import Root
from local.endpoints import Endpoints
from local.nats_server import Nats
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.heartbeat import Beat
from services.watcher import catalog
from services.watcher.capture import Capture
from services.watcher.settings import Settings
from services.writer import replay

Fill = Callable[[], Awaitable[None]]


@pytest.fixture
def transcripts(folder: Path) -> Path:
    """A folder for transcripts."""
    root = folder / "projects"
    root.mkdir()
    return root


async def captured(operator: Bus, root: Path, segment: int = 400, source: str = "claude-code") -> Capture:
    """What a watcher that starts now captures of a folder at rest."""
    settings = Settings(host="laptop", segment_bytes=segment, settle_seconds=0.0)
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    capture = Capture(operator, settings, [Root(str(root), source)], await catalog.load(operator), beat)
    await capture.sweep(asyncio.Event())
    for known in capture.registry:
        known.release()
    return capture


@pytest.fixture
def fill(nats: Nats, operator: Bus, database: str, transcripts: Path) -> Fill:
    """Captures the folder and rebuilds the database from the log."""

    async def run() -> None:
        await captured(operator, transcripts)
        await replayed(nats, database)

    return run


async def replayed(nats: Nats, database: str) -> replay.Line:
    """The outcome of a replay."""
    found: list[replay.Line] = []
    before = replay.say
    replay.say = found.append
    try:
        settings = replay.Settings(nats_url=nats.url("operator"), postgres_dsn=database)
        await replay.main(settings, asyncio.Event())
    finally:
        replay.say = before
    return found[-1]


@pytest.fixture
async def kept(nats: Nats, database: str) -> AsyncIterator[Archive]:
    """Both copies, open."""
    where = Endpoints(nats.url("operator"), database, "http://127.0.0.1:1")
    async with copies.opened(where) as opened:
        yield opened
