"""The engine that is the reference, and the way to any other model: sentence-transformers on PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mnemostream.services.embedder.engines.engine import Vectors

CPU_TOKENS, GPU_TOKENS = 2048, 65536
"""In one call: a processor is no faster with more, a GPU has thousands of cores to feed."""


class TransformerEngine:
    """One call at a time: PyTorch has threads of its own."""

    workers = 1

    def __init__(self, name: str, where: str, device: str, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.name = name
        self._transformer = SentenceTransformer(where, device=device or None)
        self._tokenizer = self._transformer.tokenizer
        kind = self._transformer.device.type
        self.label = f"torch {kind}"
        self.batch_tokens = CPU_TOKENS if kind == "cpu" else GPU_TOKENS
        self.limit = int(self._transformer.max_seq_length or 512)
        self.special = int(self._tokenizer.num_special_tokens_to_add(pair=False))
        self.dimensions = int(_dimension(self._transformer))
        self.fingerprint = _fingerprint(name, self._transformer)

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of the tokens of `text`, without a limit on their number."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return [(int(begin), int(stop)) for begin, stop in encoded["offset_mapping"]]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that fit the limit; longer ones are cut."""
        vectors = self._transformer.encode(
            list(texts),
            batch_size=len(texts),
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype="<f4")


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
