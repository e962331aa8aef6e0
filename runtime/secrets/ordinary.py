"""Is a value that stands where a secret could stand an ordinary word, a placeholder or code? Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import re2

from mnemostream.runtime.secrets.rules import BYTES


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
CODE = _linear(rb"[A-Za-z_]\(|^[\[({]|=>|\$\{|\}\}|\{\{|^\$[A-Za-z_]+$|\)\)|\(\)|->|::")
"""A call, a template, a variable."""
HASHES = _linear(rb"^(?:sha\d+|md5)[:-]")


def entropy(value: bytes) -> float:
    """Shannon entropy, bits per byte.

    >>> entropy(b"aabb")
    1.0
    """
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


PUNCTUATION = b",;)}]>.?!:|[("
"""What ends a value in code or prose and is not of it."""
DIGIT = _linear(rb"[0-9]")
MOST_ALIKE = 5
"""Fewer different characters than these are no secret."""
HUMPS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")
HUMP = 2.5
"""Mean length of the humps of a name in camelCase; letters that somebody drew have shorter ones."""
TESTS = (PLACEHOLDER.search, LOCATION.match, NUMBERS.match, FILE.search, HASHES.match, CODE.search)


def is_ordinary(value: bytes) -> bool:
    """True for what is no secret by its look: words, a placeholder, a path, code, numbers.

    >>> is_ordinary(b"getTokenFromRequest"), is_ordinary(b"wKGnUBPLdfNkIhyh")
    (True, False)
    """
    value = value.rstrip(PUNCTUATION)
    if len(set(value)) < MOST_ALIKE or any(test(value) for test in TESTS):
        return True
    plain = bool(WORDS.match(value)) and not value.isalpha()
    return plain or (_reads_well(value) and bool(_shape(value)))


def _shape(value: bytes) -> Any:
    """A word, a name below a name, or signs and letters without a digit."""
    return WORDS.match(value) or NAMES.match(value) or not DIGIT.search(value)


def _reads_well(value: bytes) -> bool:
    humps = HUMPS.findall(value)
    return bool(humps) and sum(map(len, humps)) >= HUMP * len(humps)
