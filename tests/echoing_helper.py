"""A helper process for tests/integration/test_helper.py: it multiplies; 0 gets no answer, less than 0 ends it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import msgspec

from mnemostream.runtime.process.helper import following, framed


class Start(msgspec.Struct):
    factor: int


class Asked(msgspec.Struct):
    number: int
    value: int


class Answered(msgspec.Struct):
    number: int
    value: int
    pid: int


async def serve(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    start = await following(reader, Start)
    assert start
    while (asked := await following(reader, Asked)) is not None:
        if asked.value < 0:
            os._exit(3)
        if asked.value:
            writer.write(framed(Answered(asked.number, asked.value * start.factor, os.getpid())))


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
