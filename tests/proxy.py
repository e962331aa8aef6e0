"""A TCP proxy that harms a connection as networks do: delay, silence without a word, reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards `port` to `target` on loopback. Use `opened`."""

    host = "127.0.0.1"

    def __init__(self, target: int, delay: float) -> None:
        self.target = target
        self.delay = delay
        """Seconds that each direction takes."""
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """From now on nothing goes through, in either direction, and nobody is told (no RST, no FIN)."""
        self._open.clear()

    def heal(self) -> None:
        """Everything goes through again, what was held first."""
        self._open.set()

    def reset(self) -> None:
        """All connections end by RST."""
        for writer in list(self._writers):
            connection = writer.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._open.wait()
            upstream = await asyncio.open_connection(self.host, self.target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        self._writers.add(upstream[1])
        for source, sink in ((reader, upstream[1]), (upstream[0], writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Each piece arrives `delay` after it was sent, however many are on their way."""
        loop = asyncio.get_running_loop()
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=4096)

        async def deliver() -> None:
            while True:
                due, piece = await way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._open.wait()
                if not piece:
                    return
                sink.write(piece)
                await sink.drain()

        delivering = asyncio.create_task(deliver())
        try:
            while piece := await source.read(65536):
                await way.put((loop.time() + self.delay, piece))
            await way.put((loop.time() + self.delay, b""))
            await delivering
        except OSError:
            pass
        finally:
            delivering.cancel()
            with suppress(OSError):
                sink.close()
            self._writers.discard(sink)


@asynccontextmanager
async def opened(target: int, delay: float = 0.0, port: int = 0) -> AsyncIterator[Proxy]:
    """A proxy in front of `target`; `port` 0 = any."""
    proxy = Proxy(target, delay)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", port)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.heal()
        proxy.reset()
        for task in list(proxy._tasks):
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
        proxy.reset()  # those that were being opened just now
