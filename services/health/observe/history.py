"""The messages that a stream still holds, from a sequence on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import nats.errors

from runtime import streams
from runtime.bus import Bus
from runtime.errors import Transient


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
    async with aclosing(streams.read(bus, stream, first=first)) as messages:
        async for message, _ in messages:
            at = message.metadata
            yield Stored(at.sequence.stream, at.timestamp.timestamp(), message.subject, message.data)
