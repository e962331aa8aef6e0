"""Vectors at the door: what an embedder sends is looked at before it is stored. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping

from mnemostream.contracts.transcripts import RecordsEmbedded

NORM_WITHIN = 1e-3
"""Vectors have length 1 (services/embedder/model.py), within what 32-bit floats and other processors leave."""
MOST_FINGERPRINTS = 16
"""Models under one announced name: the weights in a folder may be replaced now and then."""
DAY_MS = 86_400_000


def fault(
    event: RecordsEmbedded, announced: Collection[str], known: Mapping[str, tuple[str, int]], now_ms: float
) -> str:
    """Why its vectors are not stored; "" if they are. `known` maps fingerprints to names and dimensions."""
    size = event.dimensions
    if event.model_name not in announced:
        return (
            f"model {event.model_name[:200]} was not announced: run `python -m mnemostream.services.writer.migrate` "
            "with its name in MNEMO_EMBEDDER_MODEL"
        )
    if event.model in known and known[event.model] != (event.model_name, size):
        return f"model {event.model[:200]} has {known[event.model][1]} dimensions, not {size}, or another name"
    others = [model for model, (name, _) in known.items() if name == event.model_name]
    if event.model not in known and len(others) >= MOST_FINGERPRINTS:
        return f"there are {len(others)} models named {event.model_name[:200]} already"
    if not 0 <= event.revision <= now_ms + DAY_MS:
        return f"revision {event.revision} is in the future"
    for chunk in event.chunks:
        if size < 1 or len(chunk.vector) != 4 * size:
            return f"a vector has {len(chunk.vector)} bytes instead of {4 * size}"
        length = math.hypot(*floats(chunk.vector))  # infinite or no number where one of them is
        if not abs(length - 1) <= NORM_WITHIN:
            return f"a vector has length {length:.4g} instead of 1"
    return ""


def floats(vector: bytes) -> list[float]:
    """The numbers of a vector, little-endian float32."""
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
