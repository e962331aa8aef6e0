"""Is a value that stands where a secret could stand an ordinary word, a placeholder or code? Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import re2

from runtime.secrets.rules import BYTES


def _linear(expression: bytes) -> Any:
    """RE2's: no value can make it slow."""
    return re2.compile(expression, BYTES)


PLACEHOLDER = _linear(
    rb"(?i)^x{4,}|x{6,}|\.{3}|example|placeholder|change_?me|redacted|your[_-]|process\.env|os\.environ|getenv|^secrets\.|"
    rb"undefined|\b(?:lorem|dummy|insert|todo)\b|^n/a$|\*\*\*|^%s|^%\w+%$|^<|^\$[{(A-Za-z_]|^\{|\bnull\b|^0x[0-9a-f]+$"
)
WORDS = _linear(rb"^[&+*@!?~_-]*[A-Za-z][A-Za-z_.:/-]*$")
"""Words, paths and names without a digit."""
NAMES = _linear(rb"^[&+*]?[A-Za-z_]\w*(?:(?:\.|::|->|/)[A-Za-z_]\w*)+$")
"""A name below a name: code."""
LOCATION = _linear(rb"^(?:[a-z][a-z0-9+.-]*://|\.{0,2}/|~/|[A-Za-z]:[\\/]|@/|\d*:)")
"""An address, a path, or a place in a file: `12:fn`, `::tests`."""
NUMBERS = _linear(rb"^[\d.,:_x+/TZ-]+$")
FILE = _linear(rb"(?i)\.(?:[jt]sx?|py|go|rs|java|rb|md|json|ya?ml|toml|html?|css|sh|sql|txt|c|h|cpp)(?::\d+\S*)?$")
HASHES = _linear(rb"^(?:sha\d+|md5)[:-]")


def entropy(value: bytes) -> float:
    """Shannon entropy, bits per byte.

    >>> entropy(b"aabb")
    1.0
    """
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


MOST_ALIKE = 5
"""Fewer different characters than these are no secret."""
HUMPS = _linear(rb"[A-Z]?[a-z]+|[A-Z]+")
HUMP = 2.5
"""Mean length of the humps of a name in camelCase; letters that somebody drew have shorter ones."""
TESTS = (PLACEHOLDER.search, NAMES.match, LOCATION.match, NUMBERS.match, FILE.search, HASHES.match)


def is_ordinary(value: bytes) -> bool:
    """True for what is no secret by its look: words, a placeholder, a path, code, numbers.

    >>> is_ordinary(b"getTokenFromRequest"), is_ordinary(b"wKGnUBPLdfNkIhyh")
    (True, False)
    """
    return len(set(value)) < MOST_ALIKE or any(test(value) for test in TESTS) or _is_words(value)


def _is_words(value: bytes) -> bool:
    if not WORDS.match(value):
        return False
    humps = HUMPS.findall(value)
    return not value.isalpha() or sum(map(len, humps)) >= HUMP * len(humps)
