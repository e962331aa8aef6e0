"""A health service in this process, asked over HTTP, with a clock of the test's own."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.local.child import Child
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from tests.conftest import eventually

OLD_SHAPE = json.loads((Path(__file__).parent.parent / "old_health.schema.json").read_text())


STEP = 7.5
"""Less than what the service takes for sleep."""


STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)


class Clock(SystemClock):
    """Moved by the test; real time hardly counts, so that 59 s stay 59 s on a slow machine."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.began = super().now()

    def now(self) -> float:
        return self.began + self.offset + (super().now() - self.began) / 100


OWNER = {"authorization": "Bearer secret"}


class Service:
    """A health service in this process, asked over HTTP."""

    def __init__(self, port: int, clock: Clock, bus: Bus, client: httpx.AsyncClient) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.bus = bus
        self.client = client
        self.sequence = 0
        self.boots = {stage: uuid.uuid4().hex for stage in STAGES}

    async def get(self, path: str = "health", **more: Any) -> httpx.Response:
        try:
            more["headers"] = {**OWNER, **more.get("headers", {})}
            return await self.client.get(f"{self.url}/v1/autosave/{path}", **more)
        except httpx.TransportError as error:
            raise AssertionError(error) from error

    async def beat(self, *stages: Stage, **more: Any) -> None:
        """One heartbeat of each stage, as if nothing else were going on."""
        for stage in stages or STAGES:
            self.sequence += 1
            facts = {
                "stage": stage,
                "instance": f"{stage}-0",
                "boot_id": self.boots[stage],
                "sequence": self.sequence,
                "sent_at": self.clock.now(),
                "phase": Phase.RUNNING,
                "interval_seconds": 5.0,
                "uptime_seconds": 1000.0,
                "pid": 1,
                "service_version": "0",
                "processed": 1,
                "vitals": WatcherVitals(backlog_bytes=0) if stage is Stage.WATCHER else None,
            }
            made = Heartbeat(**{**facts, **more})
            await self.bus.client.publish(subjects.heartbeat(stage, made.instance), codec.encode(made))
        await self.bus.client.flush()

    async def passed(self, seconds: float, *, beating: tuple[Stage, ...] = ()) -> dict[str, Any]:
        """The answer after so much time on the clock, in steps that are no sleep; it was judged at that time."""
        left = seconds
        while left > 0:
            self.clock.offset += min(STEP, left)
            left -= min(STEP, left)
            if beating:
                await self.beat(*beating)
            await self._judged()
        return await self._judged()

    async def _judged(self) -> dict[str, Any]:
        """The first answer that was judged three times at the present time: hysteresis has had its say."""
        seen: set[str] = set()

        async def again() -> dict[str, Any]:
            answer = (await self.get()).json()
            seen.add(answer["timestamp"])
            assert len(seen) > 5
            return answer

        return await eventually(again)


async def healthy(one: Service) -> dict[str, Any]:
    await one.beat()

    async def well() -> dict[str, Any]:
        answer = (await one.get()).json()
        assert answer["status"] == "healthy", answer["issues"]
        return answer

    return await eventually(well)


# --- the published table ------------------------------------------------------------------------------------------


AGES = [
    (0, "healthy", 200),
    (59, "healthy", 200),
    (60, "degraded", 200),
    (61, "degraded", 200),
    (119, "degraded", 200),
    (121, "unhealthy", 503),
]


FAILURES = [(0, "healthy", 200), (1, "degraded", 200), (4, "degraded", 200), (5, "unhealthy", 503)]


# --- it waits for nothing -----------------------------------------------------------------------------------------


def processes(pid: int) -> list[psutil.Process]:
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


@asynccontextmanager
async def frozen(*servers: Child) -> AsyncIterator[None]:
    """As good as a black hole: connections stay open, nothing answers."""
    held = [process for server in servers if server.process for process in processes(server.process.pid)]
    for process in held:
        process.suspend()
    try:
        yield
    finally:
        for process in held:
            process.resume()


async def _true(value: bool) -> None:
    assert value


# --- webhooks -----------------------------------------------------------------------------------------------------


class Receiver:
    """A receiver that behaves as the test tells it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.behaviour: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                key = head.decode().lower().split("idempotency-key: ")[1].split("\r\n")[0]
                body = json.loads(await reader.readexactly(length))
                how = self.behaviour.pop(0) if self.behaviour else "takes"
                self.got.append((how, {**body, "_key": key}))
                if how == "hangs":
                    await asyncio.sleep(3600)
                if how == "trickles":
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                    while True:
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.02)
                if how == "cuts":
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
                    break
                writer.write(ANSWERS[how])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _answer(status: str, body: str = "", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{head}\r\n{body}".encode()


ANSWERS = {
    "takes": _answer("204 No Content"),
    "fails": _answer("500 Oops"),
    "limits": _answer("429 Slow down", "", "retry-after: 0.01\r\n"),
    "lies": _answer("200 OK", '{"ok":false,"error":"no_such_channel"}'),
    "latin": _answer("200 OK").replace(b"0\r\n\r\n", b"12\r\n\r\n") + b'{"a":"caf\xe9"}'[:12],
    "nests": _answer("200 OK", "[" * 60_000),
    "misleads": _answer("302 Found", "", "location: mailto:a@b\r\n"),
    "redirects": _answer("302 Found", "", "location: http://127.0.0.1:9/elsewhere\r\n"),
}


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens; nothing of it is left behind."""
    made = Receiver()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.add(asyncio.create_task(made.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
