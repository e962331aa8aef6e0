"""An engine that computes nothing, and takes a set time for it: how embedders scale is measured with it.

Everything else is what it is with a real model: messages, chunks, batches, vectors in the log and in the database.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from mnemostream.services.embedder.engines.engine import Vectors

NAME = "sleep"
TOKEN_CHARS = 4


class Sleeping:
    """One call at a time, of `seconds` each. A text's vector is a unit vector that its hash picks."""

    label = "sleep"
    name = NAME
    fingerprint = "sleep:384:0"
    dimensions = 384
    limit = 256
    special = 2
    workers = 1
    batch_tokens = 2048

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of four characters each."""
        return [(begin, min(begin + TOKEN_CHARS, len(text))) for begin in range(0, len(text), TOKEN_CHARS)]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Sleeps."""
        time.sleep(self.seconds)  # noqa: TID251 - in a thread of the model, in place of computing
        vectors = np.zeros((len(texts), self.dimensions), dtype="<f4")
        for row, text in enumerate(texts):
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            vectors[row, int.from_bytes(digest[:4], "big") % self.dimensions] = 1.0
        return vectors
