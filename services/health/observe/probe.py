"""Looks at the bus and the database. Every call has a timeout; every failure becomes a word, not an exception."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg
import msgspec
import nats.errors
from nats.js.errors import APIError, NotFoundError

from contracts import subjects, topology
from contracts.topology import Consumer, Stream
from runtime.bus import Bus
from services.health.judge.window import BusState, ConsumerState, Lag, StreamState

TIMEOUT = 4.0
TOMBSTONES = msgspec.json.encode({"subjects_filter": subjects.FORGOTTEN})
MISSING = frozenset({10059, 10014})  # stream not found, consumer not found
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What asking the database may raise."""

T = TypeVar("T")


class Error(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _StreamConfig(msgspec.Struct, frozen=True):
    subjects: list[str] = []
    storage: str = ""
    discard: str = ""
    retention: str = ""
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    max_msgs: int = -1
    max_msg_size: int = -1
    allow_direct: bool = False
    sealed: bool = False
    deny_delete: bool = False


class _StreamState(msgspec.Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    subjects: dict[str, int] = {}
    """Messages of each subject that was asked for."""


class _StreamInfo(msgspec.Struct, frozen=True):
    ts: str = ""
    config: _StreamConfig = _StreamConfig()
    state: _StreamState = _StreamState()
    error: Error | None = None


class _ConsumerConfig(msgspec.Struct, frozen=True):
    filter_subject: str = ""
    ack_policy: str = ""
    ack_wait: int = 0
    max_deliver: int = 0
    max_ack_pending: int = 0
    deliver_policy: str = ""
    replay_policy: str = ""
    opt_start_seq: int = 0
    headers_only: bool = False
    backoff: list[int] = []
    inactive_threshold: int = 0
    max_batch: int = 0
    max_bytes: int = 0
    max_expires: int = 0


class _Sequences(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _ConsumerInfo(msgspec.Struct, frozen=True):
    config: _ConsumerConfig = _ConsumerConfig()
    created: str = ""
    ack_floor: _Sequences = _Sequences()
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0
    paused: bool = False
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


def _clock(told: str, now: float) -> float:
    """By how many seconds the server's clock is ahead of ours."""
    try:
        return datetime.fromisoformat(told).timestamp() - now
    except ValueError:
        return 0.0


async def _ask(bus: Bus, api: str, kind: type[T], payload: bytes = b"") -> T:
    """One request to the JetStream API; by hand, since nats-py leaves out `paused`."""
    answer = await bus.client.request(f"$JS.API.{api}", payload, timeout=TIMEOUT)
    return msgspec.json.decode(answer.data, type=kind)


def _state(streams: Mapping[Stream, _StreamInfo], consumers: Mapping[Consumer, _ConsumerInfo]) -> BusState:
    found = BusState("", {}, {}, {})
    for stream, info in streams.items():
        if info.error:
            if info.error.err_code not in MISSING:
                return BusState(error=f"JetStream: {info.error.description}")
            found.wrong[stream.name] = f"stream {stream.name} is missing; run `python -m runtime.provision`"
            continue
        state = info.state
        found.streams[stream.name] = StreamState(
            state.messages, state.bytes, info.config.max_bytes, state.first_seq, state.last_seq
        )
        if drift := _drift(info.config, _wanted_stream(stream)):
            found.wrong[stream.name] = f"stream {stream.name} was changed: {drift}"
    for consumer, told in consumers.items():
        name = f"{consumer.stream}.{consumer.name}"
        label = f"consumer {consumer.name} of {consumer.stream}"
        if told.error:
            if told.error.err_code not in MISSING:
                return BusState(error=f"JetStream: {told.error.description}")
            found.wrong[name] = f"{label} is missing; run `python -m runtime.provision`"
            continue
        found.consumers[name] = ConsumerState(
            Lag(told.num_pending, told.num_ack_pending), told.num_redelivered, told.ack_floor.stream_seq, told.created
        )
        if told.paused:
            found.wrong[name] = (
                f"{label} is paused for another {told.pause_remaining / 1e9:.0f} s; "
                f"`nats consumer resume {consumer.stream} {consumer.name}` ends it"
            )
        elif drift := _drift(told.config, _wanted_consumer(consumer)):
            found.wrong[name] = f"{label} was changed: {drift}"
    return found


def _wanted_stream(stream: Stream) -> _StreamConfig:
    return _StreamConfig(
        list(stream.subjects),
        stream.storage,
        stream.discard,
        "limits",
        max_age=int(stream.max_age * 1e9),
        max_msgs_per_subject=stream.max_msgs_per_subject,
        allow_direct=True,
    )


def _wanted_consumer(consumer: Consumer) -> _ConsumerConfig:
    wait = int(consumer.ack_wait * 1e9)
    return _ConsumerConfig(consumer.filter, "explicit", wait, -1, consumer.max_ack_pending, "all", "instant")


def _drift(found: msgspec.Struct, wanted: msgspec.Struct) -> str:
    """What differs, in words; `max_bytes` is a setting."""
    return "; ".join(
        f"{name} is {getattr(found, name)!r}, should be {getattr(wanted, name)!r}"
        for name in wanted.__struct_fields__
        if not (name == "max_bytes" and isinstance(wanted, _StreamConfig))
        and getattr(found, name) != getattr(wanted, name)
    )


async def stored_at(bus: Bus, stream: str, sequence: int) -> float:
    """Unix time at which the first message from `sequence` on was stored; 0.0 when it cannot be told."""
    try:
        message = await bus.stream.get_msg(stream, sequence, direct=True)
    except (NotFoundError, APIError, nats.errors.Error, TimeoutError, OSError, ValueError):
        return 0.0
    return message.time.timestamp() if message.time else 0.0


class Store:
    """The database, seen by the reader's role. Connects when first asked, and again when it was away."""

    def __init__(self, dsn: str, name: str, seconds: float) -> None:
        self._dsn = dsn
        self._name = name
        self._seconds = seconds
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def ask(self, name: str, *args: Any) -> list[dict[str, Any]]:
        """Rows of `sql/<name>.sql`, within the time limit. Raises one of FAILURES."""
        async with asyncio.timeout(self._seconds), self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._dsn,
                        timeout=self._seconds,
                        command_timeout=self._seconds,
                        server_settings={
                            "application_name": f"mnemo-health-{self._name}",
                            "statement_timeout": str(int(self._seconds * 1000)),
                        },
                    )
                return [dict(row) for row in await self._connection.fetch(_query(name), *args)]
            except BaseException:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                raise

    async def close(self) -> None:
        """Closes what is open."""
        if self._connection is not None:
            self._connection.terminate()


async def database_error(store: Store) -> str:
    """Why the database does not take rows; "" if it does."""
    try:
        row = (await store.ask("alive"))[0]
    except Exception as error:  # whatever it answers, it is not what a database answers
        return words(error)
    if row["in_recovery"]:
        return "it is a standby in recovery, and read-only"
    return "it is read-only (default_transaction_read_only)" if row["read_only"] else ""


def words(error: BaseException) -> str:
    """An exception for people."""
    if not isinstance(error, FAILURES):
        return f"no sense in its answer or address ({type(error).__name__})"  # the text may hold a part of the address
    return str(error) or f"no answer in time ({type(error).__name__})"


def disk_free(folder: str) -> int | None:
    """Bytes that are free on the disk of a folder; None when it is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


@cache
def _query(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text()
