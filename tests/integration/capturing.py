"""Captures on a real log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.settings import Settings
from tests.doubles import MemoryLog


def watcher(root: Path, log: Any = None, **more: Any) -> Capture:
    """A watcher on one folder."""
    settings = Settings(host="laptop", settle_seconds=0.0, **more)
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    return Capture(log or MemoryLog(), settings, [Root(str(root), "claude-code")], Positions(), beat)


def close(capture: Capture) -> None:
    for known in capture.registry:
        known.release()


class Stopwatch(SystemClock):
    """Moved by the test."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Later(SystemClock):
    """Ten minutes on."""

    def now(self) -> float:
        return super().now() + 600

    def monotonic(self) -> float:
        return super().monotonic() + 600


async def refused(*folders: str, **more: Any) -> AsyncIterator[Any]:
    """What watchfiles does when the system has no watches left."""
    raise OSError(28, "inotify watch limit reached")
    yield


async def silent(*folders: str, stop_event: Any, **more: Any) -> AsyncIterator[Any]:
    """A network mount: no notification, ever."""
    while not stop_event.is_set():
        await asyncio.sleep(0.01)
    return
    yield
