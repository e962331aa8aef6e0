"""Requests between a person's commands or the health service and the workers, and their answers."""

from __future__ import annotations

import msgspec


class Retry(msgspec.Struct, frozen=True):
    """Request to a worker: try this dead letter once more."""

    sequence: int
    """Its sequence in the stream DEADLETTERS."""


class RetryReply(msgspec.Struct, frozen=True):
    """Its answer; with an empty `error` the work is done and the letter removed."""

    error: str = ""


class EmbedQuery(msgspec.Struct, frozen=True):
    """Request to an embedder: turn one search text into a vector."""

    text: str


class EmbedReply(msgspec.Struct, frozen=True):
    """Its answer; `error` is not empty when there is no vector."""

    model: str = ""
    dimensions: int = 0
    vector: bytes = b""
    error: str = ""
