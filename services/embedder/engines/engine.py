"""What every engine can do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Vectors = np.ndarray[Any, np.dtype[np.float32]]
"""Shape (texts, dimensions), each of length 1."""


class Engine(Protocol):
    """Texts to vectors. Methods block and may be called from several threads at once."""

    label: str
    """What people read: "openvino bf16"."""
    name: str
    """Of the model, as a person named it."""
    fingerprint: str
    """Of what the model answers: equal models agree, whatever computes them."""
    dimensions: int
    limit: int
    """Tokens in one text, the special ones counted."""
    special: int
    """Tokens that are added to each text."""
    workers: int
    """Calls that are worth making side by side."""
    batch_tokens: int
    """Tokens, with padding, in one call: larger ones are no faster."""

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of the tokens of `text`, without a limit on their number."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that fit the limit; longer ones are cut."""
