"""The part of a text that shows why it was found. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mnemostream.runtime.lexical import terms
from mnemostream.runtime.secrets.mask import masked_cut
from mnemostream.runtime.secrets.scan import Scanner

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
    start = _start(text, why)
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


def _stems(why: Why) -> list[str]:
    """Beginnings of the words that are marked, the longest first: those of the query and their stems."""
    stems = {stem for stem in why.lexemes if len(stem) >= SHORTEST and stem.isalnum()}
    stems |= {word for word in terms.TOKEN.findall(why.query.lower()) if any(word[:4] == stem[:4] for stem in stems)}
    return sorted(stems, key=len, reverse=True)


def _pattern(why: Why) -> re.Pattern[str] | None:
    """What is marked: the literal, and words that begin as those of the query do."""
    ends = [rf"(?<![^\W_]){re.escape(stem)}[^\W_]*" for stem in _stems(why)]
    parts = ([re.escape(why.literal)] if why.literal else []) + ends
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def matches(text: str, why: Why, begin: int) -> list[int]:
    """Where it matches from `begin` on: in the first part of a long text, or else in all of it."""
    stems = _stems(why)
    wanted = [re.escape(part.lower()) for part in ([why.literal] if why.literal else []) + stems]
    if not wanted:
        return []
    # Without a flag and without looking behind, what cannot begin a match is passed over at once: 4 times as fast.
    pattern = re.compile("|".join(wanted))
    found = _begun(pattern, text, begin, begin + LOOKED_FOR, why.literal)
    if not found and len(text) > begin + LOOKED_FOR:
        found = _begun(pattern, text, begin + LOOKED_FOR, len(text), why.literal)
    return found[:MOST_MATCHES]


def _begun(pattern: re.Pattern[str], text: str, first: int, stop: int, literal: str) -> list[int]:
    """Where words begin that match, and where the literal is."""
    part = text[first:stop]
    lowered = part.lower()
    if len(lowered) != len(part):  # one capital letter becomes two characters
        lowered = "".join(char.lower()[0] for char in part)
    found = []
    for match in pattern.finditer(lowered):
        at = match.start()
        before = text[first + at - 1 : first + at]
        if not before.isalnum() or (literal and match.group() == literal.lower()):
            found.append(first + at)
    return found


def _start(text: str, why: Why) -> int:
    """Where the best part begins."""
    if why.literal and (at := text.find(why.literal)) >= 0:
        return at
    begin = why.begin
    found = matches(text, why, begin or 0)
    if begin is not None:
        found = found or [begin + BEFORE]
    if not found:
        return 0
    best, most, stop = found[0], 0, 0
    for first, at in enumerate(found):
        stop = max(stop, first)
        while stop < len(found) and found[stop] < at + CHARS - BEFORE:
            stop += 1
        if stop - first > most:
            best, most = at, stop - first
    return best
