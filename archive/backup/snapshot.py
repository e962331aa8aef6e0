"""A stream as the server's own snapshot, with its consumers, and back.

The protocol is that of `$JS.API.STREAM.SNAPSHOT` and `.RESTORE`, which `nats stream backup` uses, too
(https://docs.nats.io/reference/reference-protocols/nats_api_reference): chunks to an inbox, each answered; an empty
one is the last. Sequences, times and what consumers have acknowledged come back as they were.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import nats.errors
from nats.aio.subscription import Subscription

from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Transient

API = "$JS.API.STREAM"
CHUNK = 512 * 1024
"""Bytes of one message; the server sends several before it waits for an answer."""
SILENT_SECONDS = 60.0
"""Between two chunks, and for an answer to one; the server reads and checks whole blocks meanwhile."""
LAST_SECONDS = 900.0
"""For the answer to the last chunk: the server makes the stream out of what it was sent."""
FAILURES = (nats.errors.Error, TimeoutError, OSError)


class State(msgspec.Struct, frozen=True):
    """What a stream holds: number and bytes of messages, and the sequences of the first and the last."""

    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    num_deleted: int = 0

    def like(self, other: State) -> bool:
        """True if both hold the same; where an empty stream begins is nobody's matter."""
        return self == other or (self.messages == other.messages == 0 and self.last_seq == other.last_seq)


class Head(msgspec.Struct, frozen=True):
    """What a snapshot says of itself, as the server wants it back."""

    config: dict[str, Any]
    state: dict[str, Any]

    def holds(self) -> State:
        """The state in the fields that are compared."""
        return msgspec.convert(self.state, State)


class Snapshot:
    """One that is being taken. Use `taken`; `chunks` once."""

    def __init__(self, head: Head, inbox: Subscription) -> None:
        self.head = head
        self._inbox = inbox

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Raises Transient."""
        try:
            while (message := await self._inbox.next_msg(timeout=SILENT_SECONDS)).data:
                yield message.data
                if message.reply:
                    await message.respond(b"")
        except FAILURES as error:
            raise Transient(f"the snapshot broke off: {error or type(error).__name__}") from error
        status = (message.headers or {}).get("Status", "204")
        if not status.startswith("204"):
            raise Transient(f"the snapshot broke off: {status} {(message.headers or {}).get('Description', '')}")


@asynccontextmanager
async def taken(bus: Bus, stream: str) -> AsyncIterator[Snapshot]:
    """One snapshot. The server checks each message's checksum. Raises Transient."""
    address = bus.client.new_inbox()
    inbox = await bus.client.subscribe(address, pending_bytes_limit=64 * CHUNK * 8)
    try:
        wanted = {"deliver_subject": address, "chunk_size": CHUNK, "jsck": True, "no_consumers": False}
        yield Snapshot(msgspec.convert(await _asked(bus, f"{API}.SNAPSHOT.{stream}", wanted), Head), inbox)
    finally:
        await inbox.unsubscribe()


async def restored(bus: Bus, stream: str, head: Head, chunks: AsyncIterator[bytes]) -> State:
    """Makes the stream out of a snapshot, on a server that is alone; what it holds then. Raises Transient."""
    alone = {name: value for name, value in head.config.items() if name != "placement"} | {"num_replicas": 1}
    answer = await _asked(bus, f"{API}.RESTORE.{stream}", {"config": alone, "state": head.state})
    address = answer["deliver_subject"]
    async for chunk in chunks:
        await _sent(bus, address, chunk, SILENT_SECONDS)
    made = await _sent(bus, address, b"", LAST_SECONDS)
    return msgspec.convert(made["state"], State)


async def _asked(bus: Bus, subject: str, request: Any) -> dict[str, Any]:
    return await _sent(bus, subject, msgspec.json.encode(request), SILENT_SECONDS)


async def _sent(bus: Bus, subject: str, data: bytes, seconds: float) -> dict[str, Any]:
    try:
        reply = await bus.client.request(subject, data, timeout=seconds)
        answer: dict[str, Any] = msgspec.json.decode(reply.data) if reply.data else {}
    except (*FAILURES, msgspec.DecodeError) as error:
        raise Transient(f"JetStream does not answer: {error or type(error).__name__}") from error
    if refusal := answer.get("error"):
        raise Transient(f"JetStream refuses: {refusal.get('description', refusal)}")
    return answer
