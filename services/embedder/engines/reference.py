"""What sentence-transformers answers for the bundled model, kept in a file: every other engine is held against it.

`python -m mnemostream.services.embedder.engines.reference` writes the file anew (`make generate`).
"""

from __future__ import annotations

import base64
import sys
from functools import cache
from importlib import resources

import msgspec
import numpy as np

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.services.embedder.engines.engine import Engine, Vectors

FILE = "all-MiniLM-L6-v2.json"
LEAST, LEAST_FAST = 0.9999, 0.99
"""Cosine to the reference below which an engine is not used, exact and in the fast mode."""
TEXTS = (
    "mnemostream: the quick brown fox",
    "x",
    "Warum läuft der Test nur auf dem Server rot? 為什麼 🚲",
    "def settle(self, messages: list[Message]) -> None:\n    for message in messages:\n        await message.ack()\n",
    "E       AssertionError: assert {'lag': 3} == {'lag': 0}\ntests/test_lag.py:41: AssertionError",
    " ".join(f"line {number} of services/writer/rows.py is stored at offset {number * 37}" for number in range(40)),
)
"""Short and long ones, prose, code and an error; the last is longer than the window."""


class Reference(msgspec.Struct, frozen=True):
    """Vectors of texts, base64 of little-endian float32."""

    name: str
    fingerprint: str
    dimensions: int
    texts: list[str]
    vectors: list[str]

    def matrix(self) -> Vectors:
        """Shape (texts, dimensions)."""
        return np.stack([np.frombuffer(base64.b64decode(vector), "<f4") for vector in self.vectors])

    def nearness(self, engine: Engine) -> float:
        """The least cosine between what an engine answers, text by text and all at once, and the reference."""
        wanted = self.matrix()
        alone = np.concatenate([engine.encode([text]) for text in self.texts])
        together = engine.encode(self.texts)
        if alone.shape != wanted.shape or not (np.isfinite(alone).all() and np.isfinite(together).all()):
            return 0.0
        return float(min((alone * wanted).sum(axis=1).min(), (together * wanted).sum(axis=1).min()))


@cache
def bundled() -> Reference:
    """Of the bundled model."""
    return msgspec.json.decode((resources.files(__package__) / FILE).read_bytes(), type=Reference)


def made(engine: Engine) -> Reference:
    """What an engine answers, as a reference."""
    vectors = [base64.b64encode(engine.encode([text]).tobytes()).decode() for text in TEXTS]
    return Reference(engine.name, engine.fingerprint, engine.dimensions, list(TEXTS), vectors)


if __name__ == "__main__":
    from mnemostream.services.embedder.engines.choice import bundled_folder
    from mnemostream.services.embedder.engines.transformer import TransformerEngine

    written = made(TransformerEngine(DEFAULT_MODEL, str(bundled_folder()), "cpu", 1))
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n")
