"""The part of a text that shows why it was found. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from runtime.lexical import terms
from runtime.secrets.mask import masked_cut
from runtime.secrets.scan import Scanner

CHARS = 240
BEFORE = 60
"""Characters of a snippet, and of them before the first match."""
LOOKED_AT = 50_000
"""Characters that are looked at for a secret around a snippet."""
LOOKED_FOR = 6000
"""Characters in which words are looked for first."""
SHORTEST = 3
MOST_MARKS = 50
MOST_MATCHES = 2000


class Why(msgspec.Struct, frozen=True):
    """What was looked for: `begin` is where the nearest chunk begins, if it was found by its vector."""

    query: str
    literal: str
    lexemes: Sequence[str]
    begin: int | None


def of(text: str, why: Why, scanner: Scanner | None) -> tuple[str, list[tuple[int, int]]]:
    """A snippet of a text around the literal, or else around the densest words of the query, or else from `begin`;
    and characters [begin, stop) of it that match. Secrets are masked before anything is marked."""
    pattern = _pattern(why)
    start = _start(text, pattern, why.literal, why.begin)
    start = max(0, start - BEFORE)
    if start and (blank := text.find(" ", start, start + BEFORE // 2)) > 0:
        start = blank + 1
    stop = min(len(text), start + CHARS)
    if stop < len(text) and (blank := text.rfind(" ", start + CHARS // 2, stop)) > 0:
        stop = blank
    first, last = max(0, start - LOOKED_AT), min(len(text), stop + LOOKED_AT)
    around = text[first:last]
    cut = masked_cut(around, start - first, stop - first, scanner) if scanner else text[start:stop]
    snippet = " ".join(f"{'… ' if start else ''}{cut}{' …' if stop < len(text) else ''}".split())
    marks = [match.span() for match in pattern.finditer(snippet)][:MOST_MARKS] if pattern else []
    return snippet, marks


def _pattern(why: Why) -> re.Pattern[str] | None:
    """What is marked: the literal, and words that begin as those of the query do."""
    stems = {stem for stem in why.lexemes if len(stem) >= SHORTEST and stem.isalnum()}
    stems |= {word for word in terms.TOKEN.findall(why.query.lower()) if any(word[:4] == stem[:4] for stem in stems)}
    ends = [rf"(?<![^\W_]){re.escape(stem)}[^\W_]*" for stem in sorted(stems, key=len, reverse=True)]
    parts = ([re.escape(why.literal)] if why.literal else []) + ends
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def _matches(pattern: re.Pattern[str], text: str, begin: int) -> list[int]:
    """Where it matches from `begin` on: in the first part of a long text, or else in all of it."""
    found = [match.start() for match in pattern.finditer(text, begin, begin + LOOKED_FOR)]
    if not found and len(text) > begin + LOOKED_FOR:
        found = [match.start() for match in pattern.finditer(text, begin + LOOKED_FOR)]
    return found[:MOST_MATCHES]


def _start(text: str, pattern: re.Pattern[str] | None, literal: str, begin: int | None) -> int:
    """Where the best part begins."""
    if literal and (at := text.find(literal)) >= 0:
        return at
    matches = _matches(pattern, text, begin or 0) if pattern else []
    if begin is not None:
        matches = matches or [begin + BEFORE]
    if not matches:
        return 0
    best, most, stop = matches[0], 0, 0
    for first, at in enumerate(matches):
        stop = max(stop, first)
        while stop < len(matches) and matches[stop] < at + CHARS - BEFORE:
            stop += 1
        if stop - first > most:
            best, most = at, stop - first
    return best
