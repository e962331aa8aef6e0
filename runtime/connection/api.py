"""Requests to JetStream's API by hand: nats-py's types leave out what newer servers say, such as pauses."""

from __future__ import annotations

from typing import Any

import msgspec
from nats.errors import Error as NatsError

from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Misconfigured, Transient

MISSING = frozenset({10059, 10014})
"""Error codes of JetStream: stream not found, consumer not found."""
UNSETTLED = frozenset({10005, 10008, 10009})
"""The servers of a cluster have not found each other yet: no peers for the copies, no leader."""
TIMEOUT = 10.0


class _Error(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct, frozen=True):
    messages: int = 0


class Info(msgspec.Struct, frozen=True):
    """What the JetStream API answers about a stream or a consumer."""

    config: dict[str, Any] = {}
    state: _State = _State()
    pause_remaining: int = 0
    """Nanoseconds."""
    error: _Error | None = None


async def info(nats: Bus, api: str) -> Info | None:
    """None if there is no such thing. Raises Transient."""
    found = await _request(nats, api, b"")
    if found.error is None:
        return found
    if found.error.err_code in MISSING:
        return None
    raise Transient(f"JetStream: {found.error.description}")


async def ask(nats: Bus, api: str, body: Any) -> None:
    """A change. Raises Transient, or Misconfigured with what the server has against it."""
    found = await _request(nats, api, b"" if body is None else msgspec.json.encode(body))
    if found.error is not None:
        kind = Transient if found.error.err_code in UNSETTLED else Misconfigured
        raise kind(f"{api}: {found.error.description}")


async def _request(nats: Bus, api: str, payload: bytes) -> Info:
    """By hand: nats-py's types leave out what newer servers say, such as pauses."""
    try:
        answer = await nats.client.request(f"$JS.API.{api}", payload, timeout=TIMEOUT)
        return msgspec.json.decode(answer.data, type=Info)
    except (NatsError, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise Transient(f"JetStream does not answer: {error or type(error).__name__}") from error
