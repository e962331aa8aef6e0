"""The model: an engine in a process of its own, which is there while there is something to embed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.process.helper import Helper, Lost
from mnemostream.services.embedder.chunks import Span
from mnemostream.services.embedder.engines.messages import (
    Asked,
    Encode,
    Encoded,
    Failed,
    Load,
    Loaded,
    Spans,
    Split,
)
from mnemostream.services.embedder.settings import Settings

FLOAT_BYTES = 4
Answer = Loaded | Spans | Encoded | Failed
T = TypeVar("T", Loaded, Spans, Encoded)


class EngineLost(Exception):
    """The engine has crashed: so has this embedder, and what it had in hand is counted as such."""


FAILURES = {"misconfigured": Misconfigured, "transient": Transient, "crashed": EngineLost}


class Model:
    """A model that was loaded once. Use `opened`."""

    def __init__(self, process: Helper[Answer], loaded: Loaded, settings: Settings) -> None:
        facts = loaded.facts
        self.name = facts.name
        self.fingerprint = facts.fingerprint
        self.dimensions = facts.dimensions
        self.special = facts.special
        self.window = max(1, min(settings.window_tokens or facts.limit, facts.limit) - facts.special)
        """Tokens of text in one chunk; the special ones are not counted."""
        self.batch_tokens = settings.batch_tokens or facts.batch_tokens
        self._engine = facts.label
        self._refused = loaded.refused
        self._process = process
        self._turns = asyncio.Semaphore(facts.workers)

    async def encode(self, texts: Sequence[str]) -> list[bytes]:
        """Vectors, each `dimensions` times float32, little-endian, of length 1. Raises EngineLost, Transient."""
        answer = await _asked(self._process, Encode(list(texts)), Encoded)
        if answer.fingerprint != self.fingerprint:
            raise EngineLost(f"the model has changed: it was {self.fingerprint}, and is {answer.fingerprint} now")
        self._engine = answer.label
        size = self.dimensions * FLOAT_BYTES
        return [answer.vectors[at : at + size] for at in range(0, len(answer.vectors), size)]

    async def in_turn(self, texts: Sequence[str]) -> list[bytes]:
        """The same for one of many batches: no more are begun than run side by side, so that a search, which does not
        wait for its turn, is next."""
        async with self._turns:
            return await self.encode(texts)

    async def split(self, text: str) -> list[Span]:
        """Spans that fit the window. Raises EngineLost, Transient."""
        return (await _asked(self._process, Split(text, self.window), Spans)).spans

    def vitals(self, chunks: int) -> EmbedderVitals:
        """What the heartbeat tells: `chunks` were embedded so far."""
        return EmbedderVitals(model=self.fingerprint, engine=self._engine, refused=self._refused or None, chunks=chunks)


async def _asked(process: Helper[Answer], question: Load | Split | Encode, kind: type[T]) -> T:
    try:
        answer = await process.ask(lambda number: Asked(number, question))
    except Lost as error:
        if error.code is not None and error.code < 0:  # killed, perhaps for its memory: a death without a word
            os.kill(os.getpid(), signal.SIGKILL)
        if error.code:
            raise EngineLost(str(error)) from error
        raise Transient(str(error)) from error
    except OSError as error:
        raise Transient(f"the engine process cannot be started: {error}") from error
    if isinstance(answer, Failed):
        raise FAILURES[answer.kind](answer.why)
    if not isinstance(answer, kind):
        raise AssertionError(f"{type(answer).__name__} is no answer to {type(question).__name__}")
    return answer


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Model]:
    """The model, loaded and warm. Raises Misconfigured when it cannot be had."""
    process: Helper[Answer] = Helper(
        "mnemostream.services.embedder.engines.worker", settings, Answer, settings.idle_seconds
    )
    try:
        yield Model(process, await _asked(process, Load(), Loaded), settings)
    finally:
        await process.close()
