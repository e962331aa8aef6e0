"""A program of ours that answers what it is asked, over a socket: started when first asked, ended when it rests.

    ask ──▶ number, question (msgpack, its length before it) ──▶ the program ──▶ number, answer ──▶ whoever asked

The program ends when its socket closes, however the asking process ends.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from mnemostream.runtime.logs import Log
from mnemostream.runtime.process.command import python

log = Log("mnemo.helper")

LENGTH_BYTES = 4
END_SECONDS = 2.0


class Numbered(Protocol):
    """An answer says to which question it belongs."""

    @property
    def number(self) -> int:
        """Of the question."""


T = TypeVar("T")
A = TypeVar("A", bound=Numbered)


class Lost(Exception):
    """The program has ended before it answered."""


def framed(message: msgspec.Struct) -> bytes:
    """As it is sent."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


async def following(reader: asyncio.StreamReader, kind: type[T]) -> T | None:
    """The next message; None when the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        return msgspec.msgpack.decode(await reader.readexactly(length), type=kind)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class Helper(Generic[A]):
    """One program of a module. `start` is what it is told first, since a command line hides nothing; `kind`, `A` or a
    union, is what it answers. After `rest_seconds` without a question it is ended, its memory is free; 0 = never."""

    def __init__(self, module: str, start: msgspec.Struct, kind: Any, rest_seconds: float) -> None:
        self._module = module
        self._start = start
        self._kind = kind
        self._rest_seconds = rest_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[A]] = {}
        self._number = 0

    @property
    def waiting(self) -> int:
        """Questions that are not answered yet."""
        return len(self._waiting)

    async def ask(self, question: Callable[[int], msgspec.Struct]) -> A:
        """The answer to the question that is made for a number. Raises Lost, OSError."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            writer = await self._connected()
            writer.write(framed(question(number)))
            await writer.drain()
            return await answer
        finally:
            self._waiting.pop(number, None)
            self._rests()

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._changing:
            if self._writer is None or self._writer.is_closing():
                await self._ended()
                ours, theirs = socket.socketpair()
                with theirs:
                    command = python(self._module, str(theirs.fileno()))
                    self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: ASYNC220
                reader, self._writer = await asyncio.open_connection(sock=ours)
                self._writer.write(framed(self._start))
                self._hearing = asyncio.create_task(self._hear(reader, self._writer), name="answers of a helper")
            return self._writer

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the program is gone; who waits for it then is told at once, and the next question starts another."""
        try:
            while (answered := await following(reader, self._kind)) is not None:
                if (waiting := self._waiting.get(answered.number)) and not waiting.done():
                    waiting.set_result(answered)
            log.warning("a helper process has ended", module=self._module, questions=len(self._waiting))
        finally:
            writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Lost(f"{self._module} has ended"))

    def _rests(self) -> None:
        """Nothing is asked any more: it is ended when that lasts."""
        if self._resting:
            self._resting.cancel()
        wanted = self._rest_seconds and not self._waiting
        self._resting = asyncio.create_task(self._end_if_it_rests(), name="rest of a helper") if wanted else None

    async def _end_if_it_rests(self) -> None:
        await asyncio.sleep(self._rest_seconds)
        async with self._changing:
            if not self._waiting:  # nobody has asked while it was waited for
                await self._ended()

    async def close(self) -> None:
        """Ends the program."""
        self._rest_seconds = 0.0
        if self._resting:
            self._resting.cancel()
        await self._ended()

    async def _ended(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
        if self._process is not None:
            ended = asyncio.get_running_loop().run_in_executor(None, self._process.wait, END_SECONDS)
            with suppress(subprocess.TimeoutExpired):
                await ended
            self._process.kill()
            self._process.wait()
        self._process = self._writer = self._hearing = None
