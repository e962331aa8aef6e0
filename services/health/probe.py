"""Looks at the bus and the database. Every call has a timeout; every failure becomes a word, not an exception."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg
import msgspec
import nats.errors
from nats.js.errors import APIError, NotFoundError

from contracts import topology
from runtime.bus import Bus
from services.health.window import Lag

TIMEOUT = 3.0


class BusState(msgspec.Struct, frozen=True):
    """What JetStream says. Lags by `STREAM.consumer`; messages by stream; what is wrong with the wiring."""

    error: str = ""
    lags: dict[str, Lag] = {}
    messages: dict[str, int] = {}
    bytes: dict[str, int] = {}
    missing: dict[str, str] = {}


async def bus_state(bus: Bus) -> BusState:
    """Streams and consumers, now."""
    lags: dict[str, Lag] = {}
    messages: dict[str, int] = {}
    sizes: dict[str, int] = {}
    missing: dict[str, str] = {}
    try:
        async with asyncio.timeout(TIMEOUT):
            for stream in topology.STREAMS:
                try:
                    state = (await bus.stream.stream_info(stream.name)).state
                    messages[stream.name], sizes[stream.name] = state.messages, state.bytes
                except NotFoundError:
                    missing[stream.name] = f"stream {stream.name} is missing; run `python -m runtime.provision`"
            for consumer in topology.CONSUMERS:
                name = f"{consumer.stream}.{consumer.name}"
                try:
                    info = await bus.stream.consumer_info(consumer.stream, consumer.name)
                    lags[name] = Lag(info.num_pending or 0, info.num_ack_pending or 0)
                except NotFoundError:
                    missing[name] = f"consumer {consumer.name} of {consumer.stream} is missing; provision again"
    except (nats.errors.Error, APIError, TimeoutError, OSError) as error:
        return BusState(error=str(error) or type(error).__name__)
    return BusState("", lags, messages, sizes, missing)


class Store:
    """The database, seen by the reader's role. Connects when first asked, and again when it was away."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None

    async def ask(self, name: str, *args: Any) -> list[dict[str, Any]]:
        """Rows of `sql/<name>.sql`. Raises OSError, TimeoutError or asyncpg errors."""
        try:
            async with asyncio.timeout(TIMEOUT * 5):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._dsn,
                        timeout=TIMEOUT,
                        command_timeout=TIMEOUT * 4,
                        server_settings={"application_name": "mnemo-health", "statement_timeout": "10000"},
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


FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@cache
def _query(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text()
