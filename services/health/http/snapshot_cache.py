"""The latest snapshot, and each answer to it encoded once, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from litestar.exceptions import ServiceUnavailableException

from services.health.judge.snapshot import Snapshot


class SnapshotCache:
    """Filled by the judge, read by the handlers; on one event loop."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.streams = 0
        """Open streams of server-sent events."""
        self._answers: dict[str, bytes] = {}
        self._news = asyncio.Event()

    def put(self, snapshot: Snapshot) -> None:
        """From now on everybody is answered from this one."""
        self.snapshot = snapshot
        self._answers.clear()
        self._news.set()
        self._news = asyncio.Event()

    def current(self) -> Snapshot:
        """Raises ServiceUnavailableException before the first judgement."""
        if self.snapshot is None:
            raise ServiceUnavailableException("starting: no data yet; retry in a few seconds")
        return self.snapshot

    def answer(self, name: str, make: Callable[[Snapshot], msgspec.Struct | bytes]) -> bytes:
        """The JSON of an answer without parameters. Raises ServiceUnavailableException."""
        if name not in self._answers:
            body = make(self.current())
            self._answers[name] = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self._answers[name]

    async def news(self) -> None:
        """Returns when there is a newer snapshot."""
        await self._news.wait()
