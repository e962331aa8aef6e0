"""Looks at the bus. Every call has a timeout; every failure becomes words, not an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import nats.errors
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import subjects, topology
from mnemostream.contracts.topology import Consumer, Stream
from mnemostream.runtime import drift
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.connection.api import MISSING
from mnemostream.services.health.judge.window import BusState, ConsumerState, Lag, StreamState

TIMEOUT = 4.0
TOMBSTONES = msgspec.json.encode({"subjects_filter": subjects.FORGOTTEN})

T = TypeVar("T")


class Error(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _StreamState(msgspec.Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    subjects: dict[str, int] = {}
    """Messages of each subject that was asked for."""


class _StreamInfo(msgspec.Struct, frozen=True):
    ts: str = ""
    config: dict[str, Any] = {}
    state: _StreamState = _StreamState()
    error: Error | None = None


class _Sequences(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _ConsumerInfo(msgspec.Struct, frozen=True):
    config: dict[str, Any] = {}
    created: str = ""
    ack_floor: _Sequences = _Sequences()
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0
    pause_remaining: int = 0
    error: Error | None = None


async def bus_state(bus: Bus, now: float) -> BusState:
    """Streams and consumers; `now` is our clock."""
    if not bus.client.is_connected:
        return BusState(error="the connection to NATS is lost")
    try:
        async with asyncio.timeout(TIMEOUT):
            streams, consumers = await asyncio.gather(
                asyncio.gather(
                    *(_ask(bus, f"STREAM.INFO.{s.name}", _StreamInfo, TOMBSTONES) for s in topology.STREAMS)
                ),
                asyncio.gather(
                    *(_ask(bus, f"CONSUMER.INFO.{c.stream}.{c.name}", _ConsumerInfo) for c in topology.CONSUMERS)
                ),
            )
    except (nats.errors.Error, TimeoutError, OSError, msgspec.DecodeError) as error:
        return BusState(error=str(error) or f"no answer within {TIMEOUT:.0f} s")
    ahead = _clock(streams[0].ts, now)
    named = dict(zip(topology.STREAMS, streams, strict=True)), dict(zip(topology.CONSUMERS, consumers, strict=True))
    tombstones = sum(sum(stream.state.subjects.values()) for stream in streams)
    return msgspec.structs.replace(_state(*named), clock_ahead=ahead, tombstones=tombstones)


class _Healthz(msgspec.Struct, frozen=True):
    status: str = ""
    error: str = ""


class _Answer(msgspec.Struct, frozen=True):
    data: _Healthz = _Healthz()


async def complaint(system: Bus) -> str:
    """What nats-server says is wrong with itself, asked as the user `system`; "" if nothing, or no answer came, which
    is told elsewhere."""
    try:
        answer = await system.client.request(topology.HEALTHZ, b"", timeout=TIMEOUT)
        said = msgspec.json.decode(answer.data, type=_Answer).data
    except (nats.errors.Error, TimeoutError, OSError, msgspec.DecodeError):
        return ""
    return "" if said.status == "ok" else (said.error or said.status)


def _clock(stamp: str, now: float) -> float:
    """By how many seconds the server's clock is ahead of ours."""
    try:
        return datetime.fromisoformat(stamp).timestamp() - now
    except ValueError:
        return 0.0


async def _ask(bus: Bus, api: str, kind: type[T], payload: bytes = b"") -> T:
    """One request to the JetStream API; by hand, since nats-py leaves out `paused`."""
    answer = await bus.client.request(f"$JS.API.{api}", payload, timeout=TIMEOUT)
    return msgspec.json.decode(answer.data, type=kind)


def _state(streams: Mapping[Stream, _StreamInfo], consumers: Mapping[Consumer, _ConsumerInfo]) -> BusState:
    bus = BusState("", {}, {}, {})
    drifts: list[drift.Drift | None] = []
    for stream, info in streams.items():
        if info.error:
            if info.error.err_code not in MISSING:
                return BusState(error=f"JetStream: {info.error.description}")
            drifts.append(drift.of_stream(stream, None))
            continue
        state, max_bytes = info.state, int(info.config.get("max_bytes", -1))
        bus.streams[stream.name] = StreamState(state.messages, state.bytes, max_bytes, state.first_seq, state.last_seq)
        drifts.append(drift.of_stream(stream, info.config))
    for consumer, consumer_info in consumers.items():
        if consumer_info.error:
            if consumer_info.error.err_code not in MISSING:
                return BusState(error=f"JetStream: {consumer_info.error.description}")
            drifts.append(drift.of_consumer(consumer, None))
            continue
        bus.consumers[f"{consumer.stream}.{consumer.name}"] = ConsumerState(
            Lag(consumer_info.num_pending, consumer_info.num_ack_pending),
            consumer_info.num_redelivered,
            consumer_info.ack_floor.stream_seq,
            consumer_info.created,
        )
        drifts.append(
            drift.of_consumer(consumer, consumer_info.config, consumer_info.pause_remaining / drift.NANOSECONDS)
        )
    bus.wrong.update({difference.place: difference.cause for difference in drifts if difference})
    return bus


async def stored_at(bus: Bus, stream: str, sequence: int) -> float:
    """Unix time at which the first message from `sequence` on was stored; 0.0 when it cannot be told."""
    try:
        message = await bus.stream.get_msg(stream, sequence, direct=True)
    except (NotFoundError, APIError, nats.errors.Error, TimeoutError, OSError, ValueError):
        return 0.0
    return message.time.timestamp() if message.time else 0.0
