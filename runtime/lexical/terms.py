"""Text to what the lexical index takes. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

IDENTIFIER = re.compile(r"[A-Za-z0-9_$]+(?:[._/:@\-]+[A-Za-z0-9_$]+)*")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[A-Z]")
SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
TOKEN = re.compile(r"[^\W_]+")
NUMBERS = re.compile(r"(?<![\w.])\d+(?:[.\-/:]\d+)+(?![\w])")
"""Versions, dates and times: each of their numbers is everywhere."""
CAMEL = re.compile(r"[a-z][A-Z]|[A-Z][a-z]*[A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z]")
HEX = re.compile(r"[0-9a-f]{8,64}")
HEX_HEAD = 7
"""Digits by which git names a commit: a longer hash is found by them."""
SHORTEST, LONGEST = 4, 300
"""Characters of an identifier that is taken apart."""
MOST_CHARS = 900_000
"""Of a text for one tsvector, which takes less than 1 MB (PostgreSQL manual, 12.11)."""
LONGEST_TOKEN = 200


def extended(text: str) -> str:
    """The text, followed by its identifiers in one piece and in their parts: the parser of PostgreSQL keeps paths and
    names in camel case whole, so that nobody finds them by a part.

    >>> extended("see src/userName.py")
    'see src/userName.py\\nsrcuserNamepy src user Name py'
    """
    more: list[str] = []
    for match in IDENTIFIER.finditer(text):
        name = match[0]
        if SHORTEST <= len(name) <= LONGEST and len(parts := PART.findall(name)) > 1:
            more.append(SEPARATOR.sub("", name))
            more += [part for part in parts if len(part) > 1]
    # PostgreSQL takes no NUL, which a text of the archive does not hold
    return f"{text[:MOST_CHARS]}\n{' '.join(more)}"[:MOST_CHARS] if more else text[:MOST_CHARS]


def hashes(texts: Iterable[str]) -> list[int]:
    """Hashes of the distinct words of texts and of the parts of names in camel case, signed 32 bits, sorted. Equal
    words have equal hashes, not the reverse."""
    words: set[str] = set()
    for text in texts:
        words.update(TOKEN.findall(text))
        words.update(NUMBERS.findall(text))
    found = {word.lower() for word in words}
    heads = {word[:HEX_HEAD] for word in found if HEX.fullmatch(word)}
    parts = {part for word in words if CAMEL.search(word) and len(word) <= LONGEST for part in _parts(word)}
    return sorted({_hash(word[:LONGEST_TOKEN]) for word in found | heads | parts})


def _parts(word: str) -> list[str]:
    return [part.lower() for part in PART.findall(word)]


def wanted(literal: str) -> list[int]:
    """Hashes that a text has in which the literal stands by itself.

    >>> set(wanted("a1b2c3d4e5")) <= set(hashes(["commit a1b2c3d4e5f60718"]))
    True
    """
    words = [*TOKEN.findall(literal.lower()), *NUMBERS.findall(literal)]
    return sorted({_hash(word[:HEX_HEAD] if HEX.fullmatch(word) else word[:LONGEST_TOKEN]) for word in words})


def within(literal: str) -> list[int]:
    """Hashes that a text has in which the literal stands anywhere: its first and its last word may be parts of longer
    ones there, and say nothing unless they are all there is.

    >>> set(within("manual_com")) <= set(hashes(["git manual_commit"]))
    True
    """
    words = TOKEN.findall(literal)
    if len(words) > 2:
        inner = [word for word in words[1:-1] if not word.isdigit()]
        return sorted({_hash(word.lower()[:LONGEST_TOKEN]) for word in inner})
    parts = [part for word in words for part in (_parts(word) if CAMEL.search(word) else [word.lower()])]
    if len(parts) > 2 and CAMEL.search(words[0]):
        parts = parts[1:]
    return sorted({_hash(part) for part in parts[:-1]})


def _hash(word: str) -> int:
    value = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    return value - (1 << 32) if value >= 1 << 31 else value
