"""What the handlers are given: the latest snapshot, and each answer to it made once, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from services.health.judge.snapshot import Snapshot

QUEUE = 256


class Desk:
    """Filled by the judge, read by the handlers; on one event loop."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.requests: asyncio.Queue[tuple[str, int]] = asyncio.Queue(QUEUE)
        """Dead letters that somebody wants tried again (`retry`) or removed (`drop`)."""
        self.asked: set[int] = set()
        """Those of them without an outcome yet."""
        self._made: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self.streams = 0
        """Open streams of server-sent events."""

    def put(self, snapshot: Snapshot) -> None:
        """From now on everybody is answered from this one."""
        self.snapshot = snapshot
        self._made.clear()
        self._news.set()
        self._news = asyncio.Event()

    def ask(self, sequence: int, what: str = "retry") -> bool:
        """Asks for one thing at a time, once however often it is called; False when too many are under way."""
        if sequence in self.asked:
            return True
        if self.requests.full():
            return False
        self.asked.add(sequence)
        self.requests.put_nowait((what, sequence))
        return True

    def answer(self, name: str, make: Callable[[Snapshot], msgspec.Struct | bytes]) -> bytes:
        """The JSON of an answer without parameters."""
        if name not in self._made:
            assert self.snapshot is not None
            made = make(self.snapshot)
            self._made[name] = made if isinstance(made, bytes) else msgspec.json.encode(made)
        return self._made[name]

    async def news(self) -> None:
        """Returns when there is a newer snapshot."""
        await self._news.wait()
