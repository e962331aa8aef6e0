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
    """The program has ended before it answered. `code`: its exit code, negative for a signal, None where it was ended
    on purpose."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


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


class _Run(Generic[A]):
    """One process, and the questions that were sent to it."""

    def __init__(
        self,
        module: str,
        kind: Any,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.module = module
        self.kind = kind
        self.process = process
        self.writer = writer
        self.waiting: dict[int, asyncio.Future[A]] = {}
        self.gone = False
        self.hearing = asyncio.create_task(self.hear(reader), name="answers of a helper")

    async def hear(self, reader: asyncio.StreamReader) -> None:
        """Until the program is gone; who waits for it then is told at once."""
        code: int | None = None
        try:
            while (answered := await following(reader, self.kind)) is not None:
                if (waiting := self.waiting.get(answered.number)) and not waiting.done():
                    waiting.set_result(answered)
            self.gone = True
            code = await self.ended()
            log.warning("a helper process has ended", module=self.module, code=code, questions=len(self.waiting))
        finally:
            self.gone = True
            self.writer.close()
            for waiting in self.waiting.values():
                if not waiting.done():
                    waiting.set_exception(Lost(f"{self.module} has ended with code {code}", code))

    async def ended(self) -> int:
        """Its exit code; killed where it does not end by itself."""
        with suppress(subprocess.TimeoutExpired):
            return await asyncio.get_running_loop().run_in_executor(None, self.process.wait, END_SECONDS)
        self.process.kill()
        return self.process.wait()

    async def close(self) -> None:
        """Ends the program: it sees that its socket closes."""
        self.hearing.cancel()
        await asyncio.wait([self.hearing])
        self.writer.close()
        await self.ended()


class Helper(Generic[A]):
    """One program of a module. `start` is what it is told first, since a command line hides nothing; `kind`, `A` or a
    union, is what it answers. After `rest_seconds` without a question it is ended, its memory is free; 0 = never."""

    def __init__(self, module: str, start: msgspec.Struct, kind: Any, rest_seconds: float) -> None:
        self._module = module
        self._start = start
        self._kind = kind
        self._rest_seconds = rest_seconds
        self._run: _Run[A] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._closed = False
        self._number = 0
        self.waiting = 0
        """Questions that are not answered yet."""

    async def ask(self, question: Callable[[int], msgspec.Struct]) -> A:
        """The answer to the question that is made for a number. Raises Lost, OSError."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        run: _Run[A] | None = None
        try:
            async with self._changing:
                run = await self._running()
                run.waiting[number] = answer
                run.writer.write(framed(question(number)))
            with suppress(ConnectionError):  # then it has ended, which is told by what was heard last
                await run.writer.drain()
            return await answer
        finally:
            self.waiting -= 1
            if run:
                run.waiting.pop(number, None)
            self._rests()

    async def _running(self) -> _Run[A]:
        if self._closed:
            raise Lost(f"{self._module} was closed")
        if self._run is None or self._run.gone:
            ours, theirs = socket.socketpair()
            with theirs:
                command = python(self._module, str(theirs.fileno()))
                process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: ASYNC220
            try:
                reader, writer = await asyncio.open_connection(sock=ours)
            except BaseException:  # whoever asked does not wait any more: the process sees its socket close
                ours.close()
                process.kill()
                process.wait()
                raise
            self._run = _Run[A](self._module, self._kind, process, reader, writer)
            writer.write(framed(self._start))
        return self._run

    def _rests(self) -> None:
        """Nothing is asked any more: it is ended when that lasts."""
        if self._resting:
            self._resting.cancel()
        wanted = self._rest_seconds and not self.waiting and not self._closed
        self._resting = asyncio.create_task(self._end_if_it_rests(), name="rest of a helper") if wanted else None

    async def _end_if_it_rests(self) -> None:
        await asyncio.sleep(self._rest_seconds)
        async with self._changing:
            if not self.waiting:  # nobody has asked while it was waited for
                await self._end()

    async def close(self) -> None:
        """Ends the program for good; who waits for an answer is told."""
        self._closed = True
        if self._resting:
            self._resting.cancel()
        async with self._changing:
            await self._end()

    async def _end(self) -> None:
        run, self._run = self._run, None
        if run:
            await run.close()
