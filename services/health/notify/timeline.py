"""What happened, as events in the stream HEALTH: statuses that changed, alerts that people got.

    changed, delivered ──▶ untold ──▶ HEALTH ──▶ the next process of this service

What the bus does not take now is told later, in its order; neither kind waits for the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing

import msgspec

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import AlertDelivered, HealthChanged
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.errors import Permanent, Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.streams import history
from mnemostream.services.health.judge.evaluation import CHANGES
from mnemostream.services.health.notify.alerts import Alert

log = Log("mnemo.health.timeline")


class Timeline:
    """`run` tells the bus what it was told."""

    def __init__(self) -> None:
        self._changes: deque[HealthChanged | AlertDelivered] = deque(maxlen=CHANGES)
        self._alerts: deque[HealthChanged | AlertDelivered] = deque(maxlen=CHANGES)
        self._news = asyncio.Event()

    def changed(self, change: HealthChanged) -> None:
        """A component has another status."""
        self._changes.append(change)
        self._news.set()

    def delivered(self, alert: Alert) -> None:
        """A receiver has taken an alert."""
        event = AlertDelivered(alert.component, alert.status, alert.at, alert.fault_since, alert.reason)
        if event not in self._alerts:  # another receiver may have got it too
            self._alerts.append(event)
        self._news.set()

    def again(self) -> None:
        """The bus answers: what it did not take may be tried again."""
        self._news.set()

    async def run(self, bus: Bus) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            for untold in (self._changes, self._alerts):
                try:
                    while untold:
                        await bus.publish(_message(untold[0]))
                        untold.popleft()
                except (Permanent, Transient) as error:
                    log.warning("timeline event not stored yet; retrying", error=str(error))


async def past(bus: Bus, last: int) -> tuple[list[HealthChanged], list[AlertDelivered]]:
    """The latest events of a stream that ends with sequence `last`, in its order. Raises Transient."""
    changes: list[HealthChanged] = []
    delivered: list[AlertDelivered] = []
    async with aclosing(history(bus, topology.HEALTH.name, last - CHANGES + 1)) as stored_changes:
        async for stored in stored_changes:
            try:
                event = codec.decode(stored.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                log.warning("cannot decode status change", sequence=stored.sequence, error=str(error))
                continue
            if isinstance(event, (HealthChanged, AlertDelivered)) and stored.subject != _message(event).subject:
                log.warning("not under its own subject", subject=stored.subject[:200])
            elif isinstance(event, HealthChanged):
                changes.append(event)
            elif isinstance(event, AlertDelivered):
                delivered.append(event)
    return changes, delivered


def _message(event: HealthChanged | AlertDelivered) -> Message:
    """Its id depends on the content alone: a repeat is dropped."""
    if isinstance(event, HealthChanged):
        name = f"{event.component}:{event.at}:{event.after}"
        return Message(subjects.health_changed(event.component), codec.encode(event), name)
    name = f"alerted:{event.component}:{event.at}:{event.status}"
    return Message(subjects.alert_delivered(event.component), codec.encode(event), name)
