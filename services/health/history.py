"""The messages that a stream still holds, from a sequence on."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import msgspec
import nats.errors
from nats.js import api as js
from nats.js.errors import APIError, NotFoundError

from contracts import topology
from runtime.bus import Bus
from runtime.errors import Transient

FEW = 4
"""Messages asked for at once where each may be as large as the server allows."""


class Stored(msgspec.Struct, frozen=True):
    """One message; `at` is the Unix time at which the server stored it."""

    sequence: int
    at: float
    subject: str
    payload: bytes


class _State(msgspec.Struct, frozen=True):
    deleted: list[int] = []


class _Info(msgspec.Struct, frozen=True):
    state: _State = _State()


async def deleted(bus: Bus, stream: str) -> frozenset[int]:
    """Sequences between the first and the last of a stream that it does not hold any more. Raises Transient."""
    try:
        api = f"$JS.API.STREAM.INFO.{stream}"
        answer = await bus.client.request(api, b'{"deleted_details":true}', timeout=5)
        return frozenset(msgspec.json.decode(answer.data, type=_Info).state.deleted)
    except (nats.errors.Error, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise Transient(f"stream {stream} cannot be looked at: {error or type(error).__name__}") from error


async def history(bus: Bus, stream: str, first: int = 1) -> AsyncIterator[Stored]:
    """All messages from sequence `first` on that are there at the call, in their order. Raises Transient."""
    config = js.ConsumerConfig(
        name=f"health-{uuid.uuid4().hex[:12]}",
        deliver_policy=js.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(1, first),
        ack_policy=js.AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=30.0,
    )
    most = FEW if stream == topology.DEADLETTERS.name else topology.FETCH_MESSAGES
    try:
        info = await bus.stream.add_consumer(stream, config, timeout=5)
        left = info.num_pending or 0
        subscription = await bus.stream.pull_subscribe_bind(info.name, stream, pending_bytes_limit=-1)
        try:
            while left > 0:
                for message in await subscription.fetch(min(most, left), timeout=5):
                    left -= 1
                    at = message.metadata
                    yield Stored(at.sequence.stream, at.timestamp.timestamp(), message.subject, message.data)
        finally:
            await subscription.unsubscribe()
    except NotFoundError as error:
        raise Transient(f"stream {stream} is missing; run `python -m runtime.provision`") from error
    except (nats.errors.Error, APIError, TimeoutError, OSError) as error:
        raise Transient(f"stream {stream} cannot be read: {error or type(error).__name__}") from error
