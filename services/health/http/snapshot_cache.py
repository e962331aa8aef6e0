"""The latest snapshot, and each answer to it encoded once, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from litestar.exceptions import ServiceUnavailableException

from mnemostream.services.health.http.bodies.nameless import nameless
from mnemostream.services.health.judge.snapshot import Snapshot


class SnapshotCache:
    """Filled by the judge, read by the handlers; on one event loop."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.streams = 0
        """Open streams of server-sent events."""
        self._answers: dict[tuple[str, bool], bytes] = {}
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

    def answer(self, name: str, make: Callable[[Snapshot], msgspec.Struct], *, names: bool) -> bytes:
        """The JSON of an answer without parameters; without `names`, which need the token, it is `nameless`.

        Raises ServiceUnavailableException.
        """
        key = name, names
        if key not in self._answers:
            body = make(self.current())
            self._answers[key] = msgspec.json.encode(body) if names else nameless(self.current(), body)
        return self._answers[key]

    async def news(self) -> None:
        """Returns when there is a newer snapshot."""
        await self._news.wait()
