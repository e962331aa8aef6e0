"""Pull requests of our own: at most one is open, it is read to its end status, and no message that arrives is dropped.

    MSG.NEXT {batch, max_bytes, expires, no_wait} ──▶ message … message ──▶ 404 | 408 | 409, or `batch` messages
                                                        │
                                                        └──▶ taken, whatever request it answers

`no_wait` with `expires` is the server's one-shot request: it waits for the first message, sends what there is, and
ends. So nothing can arrive while the work goes on, and no worker takes more than it was asked for. nats-py's `fetch`
does neither (docs/adr/0015). Protocol: https://docs.nats.io/reference/reference-protocols/nats_api_reference
and ADR-13 of nats-architecture-and-design.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from mnemostream.runtime.bus import Bus, translated
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import either

log = Log("mnemo.pull")

ACK = "$JS.ACK."
"""How the reply subject of every message of a stream begins."""
EXPIRES = 5.0
"""An idle request lives so long, seconds. One that is in flight dies with its connection: keep it short."""
GRACE = 2.5
"""For the end status on a slow network, after `EXPIRES`."""
LOOK = 0.5
"""Time between two looks at the connection while a request is open, seconds."""
DRAIN = 2.0
ENDS = frozenset({"404", "408"})
"""Nothing (more) there; the request has expired."""
GONE = ("consumer deleted", "consumer is push based")
PASSING = ("server shutdown", "leadership change", "batch completed", "message size exceeds maxbytes")
"""Ends of a request by 409 that are nobody's fault."""


class Refused(Transient):
    """The server did not take the request: a bug or a wrong setting, never a lack of messages."""


class Lost(Transient):
    """The consumer is gone, or JetStream does not answer."""


class Pull:
    """The one open request of one loop. Use `opened`."""

    def __init__(self, bus: Bus, stream: str, consumer: str, batch: int, max_bytes: int, waits: bool) -> None:
        self.batch = batch
        self.max_bytes = max_bytes
        self.waits = waits
        self.empty = False
        """The last request found nothing."""
        self.foreign = 0
        """What arrived and was no message of JetStream: dropped."""
        self._bus = bus
        self._api = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = bus.client.new_inbox()
        self._messages: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._number = 0
        self._single = False
        """The next request asks for one message, of any size, and waits for it."""

    async def take(self, stop: asyncio.Event) -> list[Msg]:
        """Messages as soon as there are any; [] when none came while the request lived, or at a stop. A source that
        does not wait gives what is there now, and tells by `empty` that nothing was.

        Raises Refused, Lost, or Transient when the connection was lost meanwhile and nothing had arrived.
        """
        if not self._messages:
            reply = await self._ask()
            return await self._read(reply, 1 if self._single else self.batch, stop)
        return self._late([])

    def _late(self, messages: list[Msg]) -> list[Msg]:
        """What has arrived meanwhile, for whatever request: it is in our hands, so it is work."""
        messages.extend(message for message in self._messages if not _status(message))
        self._messages.clear()
        return messages

    async def _ask(self) -> str:
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        self.empty = False
        body: dict[str, Any] = {"batch": 1} if self._single else {"batch": self.batch, "max_bytes": self.max_bytes}
        body["no_wait"] = not (self.waits and self._single)
        if self.waits:
            body["expires"] = int(EXPIRES * 1e9)
        try:
            await self._bus.client.publish(self._api, msgspec.json.encode(body), reply=reply)
        except (nats.errors.Error, OSError) as error:
            raise translated(error) from error
        return reply

    async def _read(self, reply: str, wanted: int, stop: asyncio.Event) -> list[Msg]:
        loop = asyncio.get_running_loop()
        began, connections = loop.time(), self._bus.client.stats["reconnects"]
        messages: list[Msg] = []
        while len(messages) < wanted:
            if stop.is_set():
                return self._late(messages)
            message = await self._next(stop, began + EXPIRES + GRACE - loop.time())
            if message is None:
                lost = self._bus.client.stats["reconnects"] != connections or not self._bus.client.is_connected
                if lost and not messages:
                    raise Transient("the connection to NATS was lost")
                if lost or loop.time() - began > EXPIRES + GRACE:
                    break
            elif not (status := _status(message)):
                messages.append(message)
            elif message.subject == reply:  # the end of an earlier request says nothing any more
                self._ended(status, _description(message), bool(messages))
                self.empty = not messages and status in ENDS
                # An end without messages that came at once: what waits is too large for `max_bytes`, or is asked for
                # by others already. Wait for one, of any size; no loop runs hot.
                at_once = loop.time() - began < EXPIRES / 2
                self._single = not messages and not self._single and at_once and status != "404"
                break
        else:
            self._single = False
        return messages

    async def _next(self, stop: asyncio.Event, left: float) -> Msg | None:
        """The next arrival; None after a moment, at a stop, or when no time is left."""
        if not self._messages:
            self._arrived.clear()
            await either(self._arrived, stop, within=max(0.0, min(LOOK, left)))
        return self._messages.popleft() if self._messages else None

    def _ended(self, status: str, description: str, some: bool) -> None:
        text = description.lower()
        if status == "503" or any(gone in text for gone in GONE):
            if not some:
                raise Lost(description or "no responders: the consumer or JetStream is missing")
        elif status not in ENDS and not any(passing in text for passing in PASSING) and not some:
            raise Refused(f"{status} {description}")

    async def _take_in(self, message: Msg) -> None:
        if not message.reply.startswith(ACK) and not _status(message):
            self.foreign += 1
            log.warning("not a JetStream message; dropped", subject=message.subject[:200])
            return
        self._messages.append(message)
        self._arrived.set()

    async def _close(self, subscription: Subscription) -> list[Msg]:
        """No more interest; what is already on its way is returned, to be handed back."""
        with suppress(nats.errors.Error, TimeoutError, OSError):
            await asyncio.wait_for(subscription.drain(), DRAIN)
        return self._late([])


@asynccontextmanager
async def opened(
    bus: Bus, stream: str, consumer: str, batch: int, max_bytes: int, *, waits: bool = True
) -> AsyncIterator[Pull]:
    """A source of messages. What it still holds at the end is handed back to the server at once."""
    pull = Pull(bus, stream, consumer, batch, max_bytes, waits)
    subscription = await bus.client.subscribe(f"{pull._inbox}.*", cb=pull._take_in)
    try:
        yield pull
    finally:
        for message in await pull._close(subscription):
            with suppress(nats.errors.Error):
                await message.nak()
        with suppress(nats.errors.Error, TimeoutError, OSError):
            await bus.client.flush(timeout=DRAIN)  # whatever was settled or handed back has arrived


def number_of(message: Msg) -> int:
    """Its number among all that the consumer has delivered. The library parses all of a reply subject, with times as
    objects: for a hundred thousand messages that is a second. Both forms: ADR-15 of nats-architecture-and-design."""
    tokens = message.reply.split(".")
    return int(tokens[6 if len(tokens) == 9 else 8])


def _status(message: Msg) -> str:
    """The status of a message of the protocol; "" for one of the stream, whatever headers it carries."""
    return "" if message.reply.startswith(ACK) else str((message.headers or {}).get("Status", ""))


def _description(message: Msg) -> str:
    return str((message.headers or {}).get("Description", ""))
