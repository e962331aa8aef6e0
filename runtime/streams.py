"""The one reader of a stream: what it holds at the call, in its order, to its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import topology
from mnemostream.runtime import pull
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Transient

LIGHT = 500
"""Messages asked for at once where only their headers travel."""
KEPT_SECONDS = 30.0
"""A reader that has gone, or rests between two messages for longer than this, is forgotten by the server."""
FAILURES = (nats.errors.Error, APIError, TimeoutError, OSError)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a stream."""

    filters: Sequence[str] = ()
    """Subjects; none = all."""
    first: int = 1
    """The least sequence."""
    last: bool = False
    """Only the last one of each subject."""
    headers: bool = False
    """Without their payloads."""


ALL = Selection()


async def read(
    bus: Bus, stream: str, which: Selection = ALL, *, kept: float = KEPT_SECONDS
) -> AsyncGenerator[tuple[Msg, int], None]:
    """Messages that were there at the call, in their order, and how many are left after each.

    `kept` = the longest rest between two messages, seconds. What is deleted meanwhile is left out. Close it
    (`aclosing`) when it is left early. Raises Transient.
    """
    config: dict[str, Any] = {
        "deliver_policy": api.DeliverPolicy.LAST_PER_SUBJECT if which.last else api.DeliverPolicy.ALL
    }
    if which.first > 1:
        config = {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": which.first}
    name = f"read-{uuid.uuid4().hex[:12]}"
    try:
        info = await bus.stream.add_consumer(
            stream,
            api.ConsumerConfig(
                name=name,
                description=f"Temporary: {bus.client.options['name']} reads what the stream holds.",
                # A single filter stands in the request's subject: by it the server lets an edge read its own alone.
                filter_subject=which.filters[0] if len(which.filters) == 1 else None,
                filter_subjects=list(which.filters) if len(which.filters) > 1 else None,
                ack_policy=api.AckPolicy.NONE,
                headers_only=which.headers or None,
                mem_storage=True,
                inactive_threshold=kept,
                **config,
            ),
            timeout=10,
        )
        async with aclosing(_messages(bus, stream, name, info.num_pending or 0, which.headers)) as messages:
            async for pair in messages:
                yield pair
    except NotFoundError as error:
        raise Transient(f"stream {stream} is missing; run `python -m mnemostream.runtime.provision`") from error
    except FAILURES as error:
        raise Transient(f"stream {stream} cannot be read: {error or type(error).__name__}") from error


async def _messages(
    bus: Bus, stream: str, name: str, left: int, headers: bool
) -> AsyncGenerator[tuple[Msg, int], None]:
    batch = LIGHT if headers else topology.FETCH_MESSAGES
    never = asyncio.Event()
    silent = reached = 0
    connections = bus.client.stats["reconnects"]
    async with pull.opened(bus, stream, name, batch, topology.FETCH_BYTES, waits=False) as source:
        while left > 0:
            messages = await source.take(never)
            silent = 0 if messages else silent + 1
            if source.empty and bus.client.stats["reconnects"] == connections:
                return
            if silent > 3 or source.empty:
                raise TimeoutError("no answer")
            for message in messages[:left]:
                left -= 1
                if pull.number_of(message) != reached + 1:  # without acks, nothing is sent twice
                    raise TimeoutError("messages were lost in transit")
                reached += 1
                yield message, left


async def last(bus: Bus, stream: str, subject: str) -> bytes:
    """The last message of this subject; empty if the stream holds none. Raises Transient."""
    try:
        found = await bus.stream.get_last_msg(stream, subject, direct=True)
    except NotFoundError:
        return b""
    except FAILURES as error:
        raise Transient(f"stream {stream} cannot be read: {error or type(error).__name__}") from error
    return found.data or b""


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
    except (*FAILURES, msgspec.DecodeError) as error:
        raise Transient(f"stream {stream} cannot be inspected: {error or type(error).__name__}") from error


async def history(bus: Bus, stream: str, first: int = 1) -> AsyncGenerator[Stored, None]:
    """All messages from sequence `first` on that are there at the call, in their order. Raises Transient."""
    async with aclosing(read(bus, stream, Selection(first=first))) as messages:
        async for message, _ in messages:
            at = message.metadata
            yield Stored(at.sequence.stream, at.timestamp.timestamp(), message.subject, message.data)
