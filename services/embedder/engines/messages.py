"""What the embedder asks its engine process, and what that answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from mnemostream.services.embedder.chunks import Span


class Facts(msgspec.Struct, frozen=True):
    """Of a loaded engine: what `Engine` names."""

    label: str
    name: str
    fingerprint: str
    dimensions: int
    limit: int
    special: int
    workers: int
    batch_tokens: int


class Load(msgspec.Struct, frozen=True, tag=True):
    """What is loaded?"""


class Split(msgspec.Struct, frozen=True, tag=True):
    """Spans of at most `window` tokens."""

    text: str
    window: int


class Encode(msgspec.Struct, frozen=True, tag=True):
    """Vectors of texts that fit."""

    texts: list[str]


class Asked(msgspec.Struct, frozen=True):
    """A question with its number."""

    number: int
    question: Load | Split | Encode


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """`refused` = why a faster engine is not used."""

    number: int
    facts: Facts
    refused: str


class Spans(msgspec.Struct, frozen=True, tag=True):
    """Of a text."""

    number: int
    spans: list[Span]


class Encoded(msgspec.Struct, frozen=True, tag=True):
    """float32, little-endian, one vector after the other; by which model and engine, since it may have been loaded
    again meanwhile."""

    number: int
    vectors: bytes
    fingerprint: str
    label: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """No engine could be loaded, or it has crashed. The process ends."""

    number: int
    why: str
    kind: Literal["misconfigured", "transient", "crashed"]
