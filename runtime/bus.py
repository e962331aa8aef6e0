"""The connection to NATS and the two ways to publish: one acknowledged message, or an atomic batch.

nats-py's errors are translated here, so that the floors above know three families only.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
import nats
from nats.errors import Error as NatsError
from nats.errors import NoServersError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError

from mnemostream.runtime.connection import address
from mnemostream.runtime.connection.client import Client
from mnemostream.runtime.errors import Misconfigured, NoSpace, Permanent, Transient
from mnemostream.runtime.logs import Log, without_password

log = Log("mnemo.bus")

PUBLISH_TIMEOUT = 10.0
"""Longest wait for the ack of a publish, seconds …"""
ATTEMPT_TIMEOUT = 2.5
"""… in which it is sent again, under the same id, as often as nothing was heard for so long: a new leader of the
stream, or a server after a reconnect, never saw what was sent before."""
COMMIT_TIMEOUT = 4.0
"""Longest wait for the ack of a batch, seconds: it is sent again whole, and what was stored is dropped by its ids."""
BATCH_LIMIT = 100
START_TIMEOUT = 60.0
CLOSE_TIMEOUT = 3.0
PING_SECONDS = 1
"""Time between two pings. Two without an answer, and the connection is dead."""
STORE_FULL = frozenset({10077, 10047, 10023})  # max_bytes reached, storage exceeded, insufficient resources
TOO_LARGE = 10054
DUPLICATE_IN_BATCH = 10201


class Message(msgspec.Struct, frozen=True):
    """What is published: where, what, under which id."""

    subject: str
    payload: bytes
    message_id: str
    headers: dict[str, str] = {}


class Bus:
    """An open connection. Use `connect`."""

    def __init__(self, client: Client, stream: JetStreamContext) -> None:
        self.client = client
        self.stream = stream

    async def publish(self, message: Message) -> None:
        """Stores one message and returns after its PubAck; safe to repeat with the same id.

        Raises Transient (no ack: it may or may not be stored), NoSpace, Permanent (too large).
        """
        headers = {"Nats-Msg-Id": message.message_id, **message.headers}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISH_TIMEOUT
        while True:
            try:
                await self.stream.publish(message.subject, message.payload, timeout=ATTEMPT_TIMEOUT, headers=headers)
                return
            except Exception as error:
                if not isinstance(error, TimeoutError) or loop.time() + ATTEMPT_TIMEOUT > deadline:
                    raise translated(error) from error

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Stores all messages in their order, as atomic batches, which share one fsync.

        A batch that holds an id which is stored already is refused whole; then each goes alone.
        """
        for start in range(0, len(messages), BATCH_LIMIT):
            batch = messages[start : start + BATCH_LIMIT]
            if len(batch) == 1 or not await self._atomic(batch):
                for message in batch:
                    await self.publish(message)

    async def _atomic(self, batch: Sequence[Message]) -> bool:
        """True if the batch is stored; headers as ADR-50 of nats-architecture-and-design says."""
        name = uuid.uuid4().hex
        reply: dict[str, object] = {}
        try:
            for number, message in enumerate(batch, start=1):
                headers = {
                    "Nats-Msg-Id": message.message_id,
                    "Nats-Batch-Id": name,
                    "Nats-Batch-Sequence": str(number),
                    **message.headers,
                }
                if number < len(batch):
                    await self.client.publish(message.subject, message.payload, headers=headers)
                    continue
                headers["Nats-Batch-Commit"] = "1"
                answer = await self.client.request(
                    message.subject, message.payload, timeout=COMMIT_TIMEOUT, headers=headers
                )
                reply = msgspec.json.decode(answer.data) if answer.data else {}
        except Exception as error:
            raise translated(error) from error
        failure = reply.get("error")
        if not isinstance(failure, dict):
            return reply.get("count") == len(batch)
        if failure.get("err_code") in STORE_FULL:
            raise NoSpace(str(failure.get("description")))
        log.debug("batch rejected, publishing singly", error=failure.get("description"), code=failure.get("err_code"))
        return False


def translated(error: Exception) -> Exception:
    """A foreign error as one of ours; a bug stays what it is."""
    if isinstance(error, APIError):
        text = f"JetStream: {error.description} ({error.err_code})"
        if error.err_code in STORE_FULL:
            return NoSpace(text)
        return Permanent(text) if error.err_code == TOO_LARGE else Transient(text)
    if isinstance(error, NoStreamResponseError):
        return Transient("no stream accepts this subject; run `python -m mnemostream.runtime.provision`")
    if isinstance(error, nats.errors.MaxPayloadError):
        return Permanent("message exceeds the server's max_payload")
    if isinstance(error, (NatsError, TimeoutError, asyncio.TimeoutError, ConnectionError, OSError)):
        return Transient(f"NATS: {error or type(error).__name__}")
    return error


class _Connection:
    """One connection: how it is opened and closed, and what its callbacks heard."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = address.of(url)
        self.client = Client()
        self.client.owner = self.address.owner
        self.client.encrypted = self.address.encrypted
        self.refused = asyncio.Event()
        """The server refuses the credentials, or its certificate is refused here."""
        self.refusal = ""
        self.connected = self.closing = False

    async def on_error(self, error: Exception) -> None:
        if "authorization" in str(error).lower():
            self.refusal = "rejected the user or password"
            self.refused.set()
        if isinstance(error, ssl.SSLCertVerificationError):
            self.refusal = f"has a certificate that is not trusted here: {error.verify_message}"
            self.refused.set()
        if self.connected:
            log.warning("NATS error", error=without_password(str(error) or type(error).__name__))

    async def on_disconnect(self) -> None:
        if self.connected and not self.closing:
            log.warning("NATS disconnected")

    async def on_reconnect(self) -> None:
        log.info("NATS reconnected")

    async def on_closed(self) -> None:
        """After the connection was open: the library has given up, which it should never do."""
        if self.connected and not self.closing:
            log.error("NATS connection closed; exiting so that the supervisor restarts this process")
            os._exit(1)

    async def open(self, name: str, within: float) -> None:
        """Raises Transient, Misconfigured."""
        trust = self.address.trust()
        opening = asyncio.create_task(
            self.client.connect(
                self.address.servers,
                name=name,
                ping_interval=PING_SECONDS,
                max_outstanding_pings=2,
                max_reconnect_attempts=-1,  # also at the start: it tries again by itself until it is told to stop
                reconnect_time_wait=0.5,
                connect_timeout=5,
                error_cb=self.on_error,
                disconnected_cb=self.on_disconnect,
                reconnected_cb=self.on_reconnect,
                closed_cb=self.on_closed,
                pending_size=32 * 1024 * 1024,
                inbox_prefix=self.address.inbox,
                user_credentials=self.address.credentials or None,
                tls=trust,
                tls_hostname=self.address.name,
            )
        )
        refusal = asyncio.create_task(self.refused.wait())
        try:
            await asyncio.wait((opening, refusal), timeout=within, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._abandon(opening)
            raise
        finally:
            refusal.cancel()
        if not opening.done():
            await self._give_up(opening)
        try:
            opening.result()
        except (NoServersError, OSError, TimeoutError, NatsError) as error:
            raise Transient(f"NATS at {self.address.shown}: {error}") from error
        self.connected = True

    async def _abandon(self, opening: asyncio.Task[None]) -> None:
        """A server that took the connection and says nothing: it is open still, and the attempt would go on."""
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        with suppress(Exception):
            await asyncio.wait_for(self.client.close(), 2)
        self.client.drop()

    async def _give_up(self, opening: asyncio.Task[None]) -> None:
        """Raises Misconfigured, else Transient."""
        await self._abandon(opening)
        if self.refused.is_set():
            raise Misconfigured(f"NATS at {self.address.shown} {self.refusal}")
        raise Transient(f"no NATS server answers at {self.address.shown}")


@asynccontextmanager
async def connect(url: str, name: str, within: float = START_TIMEOUT) -> AsyncIterator[Bus]:
    """An open connection that reconnects for ever and notices a dead server within 4 s. `url` may name several servers
    of one cluster, separated by commas.

    Raises Transient when no server answers `within` seconds, Misconfigured when it refuses the credentials.
    """
    connection = _Connection(url)
    client = connection.client
    await connection.open(name, within)
    try:
        yield Bus(client, client.jetstream(timeout=PUBLISH_TIMEOUT))
    finally:
        connection.closing = True
        with suppress(TimeoutError, OSError, NatsError):  # one that takes no more bytes, or is gone, holds no exit
            await asyncio.wait_for(client.close(), CLOSE_TIMEOUT)
