"""Connections of the API: bounded in number and time, so that nobody who opens them keeps others out.

uvicorn limits how long a connection may be idle, and nothing else. Here the head of a request must come within
`HEAD_SECONDS`, an answer must be taken within `STALLED_SECONDS`, and where too many are open, the oldest that waits for
a request goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 5.0
"""From the first byte of a request, or the connection, to the end of its head."""
KEPT_SECONDS = 75
"""For how long an answered connection waits for the next request: longer than any page or scraper pauses (uvicorn's
own 5 s are just what the page pauses, so that its next request met a connection that was being closed)."""
STALLED_SECONDS = 10.0
"""For how long a client may take nothing of what is sent."""
SEND_BYTES = 32 * 1024
"""Kernel's buffer of a connection: who does not read is noticed by it."""
MOST_OF_A_PEER = 128
"""Connections of one address; the socket in the private folder has its own."""
MOST = 256
SPARE_FILES = 64
"""Open files that are left for everything else."""


class Connections:
    """Those that are open."""

    def __init__(self) -> None:
        self.open: dict[Guarded, str] = {}
        """Oldest first, with the peer's address."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # a usual soft limit is 1024, and the hard one much higher
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = max(16, min(MOST, soft - SPARE_FILES))

    def protocol(self, *args: Any, **more: Any) -> Guarded:
        """For uvicorn: the protocol of one connection."""
        return Guarded(self, *args, **more)

    def enter(self, one: Guarded, peer: str) -> bool:
        """False if there is no place for it."""
        for crowd, most in (
            ([c for c, p in self.open.items() if p == peer], MOST_OF_A_PEER),
            (list(self.open), self.most),
        ):
            if len(crowd) < most:
                continue
            idle = next((other for other in crowd if not other.busy), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.transport.abort()
        self.open[one] = peer
        return True

    def leave(self, one: Guarded) -> None:
        """It is closed."""
        self.open.pop(one, None)


class Guarded(H11Protocol):
    """One connection."""

    def __init__(self, connections: Connections, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._all = connections
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """True while a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts it; without a place for it, it is closed."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        connection = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        with contextlib.suppress(OSError):  # asyncio leaves it for sockets that name no protocol, as uvicorn's
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._all.enter(self, peer[0] if isinstance(peer, tuple) else "private"):
            transport.abort()
            return
        self._wait_for_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends its timers."""
        self._all.leave(self)
        for timer in (self._timer, self._stalled):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The time for a request ends with its head; bytes alone do not prolong it."""
        super().data_received(data)
        if self.busy and self._timer:
            self._timer.cancel()
            self._timer = None
        elif not self.busy:
            self._wait_for_a_request()

    def pause_writing(self) -> None:
        """The client takes nothing."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes something again."""
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def _wait_for_a_request(self) -> None:
        self._timer = self._timer or self.loop.call_later(HEAD_SECONDS, self._late)

    def _late(self) -> None:
        self._timer = None
        if not self.busy:
            self.transport.abort()
