"""The archive as the API searches and reads it: asks the search process, and starts it when there is none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from litestar.exceptions import HTTPException, InternalServerException, NotFoundException, ServiceUnavailableException

from mnemostream.runtime.logs import Log
from mnemostream.runtime.process.command import python
from mnemostream.services.health.search.messages import (
    LENGTH_BYTES,
    Answered,
    Asked,
    Projects,
    Read,
    Search,
    Sessions,
    Start,
    framed,
)
from mnemostream.services.health.settings import Settings

log = Log("mnemo.health")

WAITING = 100
"""Questions that may wait; more are refused."""
SECONDS = 60.0
"""For an answer, with its turn; the process itself gives up a question after 20 s of work."""
END_SECONDS = 2.0
FAILURES: dict[int, type[HTTPException]] = {404: NotFoundException, 500: InternalServerException}


class Finding:
    """Use `opened`."""

    def __init__(self, settings: Settings) -> None:
        self._start = Start(settings.postgres_dsn, settings.nats_url, settings.secret_rules)
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._number = 0

    async def ask(self, question: Search | Sessions | Read | Projects, *, reveal: bool) -> bytes:
        """The answer as JSON. Raises NotFoundException, ServiceUnavailableException, InternalServerException."""
        if len(self._waiting) >= WAITING:
            raise ServiceUnavailableException("too many searches are waiting; retry in a second")
        self._number += 1
        number = self._number
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(SECONDS):
                (await self._connected()).write(framed(Asked(number, reveal, question)))
                answered = await answer
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailableException(f"the search process does not answer: {error or 'timeout'}") from error
        finally:
            self._waiting.pop(number, None)
        if answered.status != 200:
            raise FAILURES.get(answered.status, ServiceUnavailableException)(answered.detail)
        return answered.body

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._starting:
            if self._writer is None or self._writer.is_closing():
                await self.close()
                ours, theirs = socket.socketpair()
                with theirs:
                    command = python("mnemostream.services.health.search.worker", str(theirs.fileno()))
                    self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: ASYNC220
                reader, self._writer = await asyncio.open_connection(sock=ours)
                self._writer.write(framed(self._start))
                self._hearing = asyncio.create_task(self._hear(reader, self._writer), name="search answers")
            return self._writer

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the process is gone; who waits for it then is told at once, and the next question starts another."""
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                answered = msgspec.msgpack.decode(await reader.readexactly(length), type=Answered)
                if (waiting := self._waiting.get(answered.number)) and not waiting.done():
                    waiting.set_result(answered)
        except (asyncio.IncompleteReadError, OSError):
            log.warning("the search process has ended", questions=len(self._waiting))
        finally:
            writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("it has ended; retry"))

    async def close(self) -> None:
        """Ends the process."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
        if self._process is not None:
            ended = asyncio.get_running_loop().run_in_executor(None, self._process.wait, END_SECONDS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await ended
            self._process.kill()
            self._process.wait()
        self._process = self._writer = self._hearing = None


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Finding]:
    """Starts the process when first asked."""
    finding = Finding(settings)
    try:
        yield finding
    finally:
        await finding.close()
