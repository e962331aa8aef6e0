"""How many work for the same consumer: by the heartbeats of the stage, as everybody hears them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import nats.errors
from nats.aio.msg import Msg

from mnemostream.contracts import subjects
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.runtime.bus import Bus

SILENT = 3.0
"""Intervals without a heartbeat: gone."""
UNHEARD = 2
"""So many are supposed until all had time for a heartbeat."""


class Peers:
    """Times are the event loop's."""

    def __init__(self, now: float, interval: float) -> None:
        self._known_at = now + interval
        self._until: dict[str, float] = {}

    def heard(self, beat: Heartbeat, now: float) -> None:
        """One heartbeat; one's own, too."""
        if beat.phase is Phase.RUNNING:
            self._until[beat.instance] = now + SILENT * beat.interval_seconds
        else:
            self._until.pop(beat.instance, None)

    def count(self, now: float) -> int:
        """Workers, oneself among them."""
        self._until = {name: until for name, until in self._until.items() if until > now}
        return max(1, len(self._until), UNHEARD if now < self._known_at else 1)


@asynccontextmanager
async def listening(bus: Bus, stage: Stage, interval: float) -> AsyncIterator[Peers]:
    """Hears them while the body runs; everybody beats once in `interval` seconds."""
    clock = asyncio.get_running_loop().time
    peers = Peers(clock(), interval)

    async def take(message: Msg) -> None:
        try:
            peers.heard(msgspec.json.decode(message.data, type=Heartbeat), clock())
        except msgspec.DecodeError:
            return  # of another version: it is counted by who reads it

    subscription = await bus.client.subscribe(subjects.heartbeats_of(stage), cb=take)
    try:
        yield peers
    finally:
        with suppress(nats.errors.Error):  # the connection may be closed
            await subscription.unsubscribe()
