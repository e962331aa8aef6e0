"""Where the bytes of a generation lie, if it shares its beginning with an earlier one. Pure.

generation 3:  ████████░░░░      whole
generation 4:          ▒▒▒▒▒▒    base: [0, 8) of generation 3, then its own bytes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec

from mnemostream.contracts.transcripts import Base

MOST_BASES = 63
"""Generations in a row that may have a base: every 64th is whole, so that a damage reaches no further."""


class Span(msgspec.Struct, frozen=True):
    """Bytes [start, stop) of the segments of one generation."""

    generation: int
    start: int
    stop: int


class Extent(Protocol):
    """A segment, as far as its place goes."""

    @property
    def generation(self) -> int:
        """Of the transcript."""

    @property
    def start(self) -> int:
        """Its first byte."""

    @property
    def end(self) -> int:
        """After its last byte."""

    @property
    def base(self) -> Base | None:
        """Of its generation, on the first segment."""


S = TypeVar("S", bound=Extent)


def bases_of(segments: Iterable[Extent]) -> dict[int, Base]:
    """The bases of those generations that have one."""
    return {segment.generation: segment.base for segment in segments if segment.base}


def spans(bases: Mapping[int, Base], generation: int, stop: int) -> list[Span]:
    """Where bytes [0, stop) of a generation lie, in their order.

    >>> spans({5: Base(4, 70, ""), 4: Base(3, 80, "")}, 5, 100)
    [Span(generation=3, start=0, stop=70), Span(generation=5, start=70, stop=100)]
    """
    found: list[Span] = []
    seen: set[int] = set()
    while (base := bases.get(generation)) and generation not in seen:
        seen.add(generation)
        if stop > base.bytes:
            found.append(Span(generation, base.bytes, stop))
            stop = base.bytes
        generation = base.generation
    return [Span(generation, 0, stop), *reversed(found)]


def chained(segments: Iterable[S], generation: int, stop: int) -> Iterator[tuple[S, int]]:
    """The segments that hold bytes [0, stop) of a generation, in their order, and where each of them stops to count.
    A caller looks for gaps."""
    known = sorted(segments, key=lambda segment: (segment.start, segment.end))
    for span in spans(bases_of(known), generation, stop):
        for segment in known:
            if segment.generation == span.generation and segment.end > span.start and segment.start < span.stop:
                yield segment, min(segment.end, span.stop)
