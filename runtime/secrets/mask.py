"""Secrets replaced: by a word where texts are shown, by a placeholder of the same length where bytes are kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mnemostream.runtime.secrets.scan import Scanner, Secret

HALF_FIRST, HALF_LAST = re.compile(r"^[!-~]+"), re.compile(r"[!-~]+$")
KEY_LINES_FIRST = re.compile(r"^…?\s*(?:[A-Za-z0-9+/=]{24,}\s+)+")
KEY_LINES_LAST = re.compile(r"(?:\s+[A-Za-z0-9+/=]{24,})+\s*…?$")
"""Lines of base64 at a cut: the middle of a key."""
SHORTEST = 12
"""Bytes of a text that can hold a secret and what gives it away."""


def masked(text: str, scanner: Scanner) -> str:
    """The text with `[secret: KIND]` in the place of each secret."""
    if len(text) < SHORTEST:
        return text
    data = text.encode("utf-8", "surrogatepass")
    found = scanner.find(data)
    return _with_words(data, found).decode("utf-8", "surrogatepass") if found else text


def masked_cut(text: str, begin: int, stop: int, scanner: Scanner) -> str:
    """Characters [begin, stop) of a text, masked as parts of the whole."""
    data, first = text.encode("utf-8", "surrogatepass"), len(text[:begin].encode("utf-8", "surrogatepass"))
    last = first + len(text[begin:stop].encode("utf-8", "surrogatepass"))
    pieces: list[bytes] = []
    at = first
    for secret in scanner.find(data):
        if secret.stop > first and secret.start < last:
            pieces += [data[at : max(at, secret.start)], f"[secret: {secret.kind}]".encode()]
            at = max(at, secret.stop)
    return b"".join([*pieces, data[at : max(at, last)]]).decode("utf-8", "replace")


def without_halves(text: str, *, begin: bool = False, end: bool = False) -> str:
    """A text that was cut at its beginning or end, without the word that the cut went through: half of a secret looks
    like none.

    >>> without_halves("the key is ghp_a1B2", end=True)
    'the key is …'
    """
    if begin:
        text = KEY_LINES_FIRST.sub("…", HALF_FIRST.sub("…", text))
    return KEY_LINES_LAST.sub("…", HALF_LAST.sub("…", text)) if end else text


def masked_value(value: Any, scanner: Scanner) -> Any:
    """A value of JSON with the secrets in its texts masked, each text by itself."""
    if isinstance(value, str):
        return masked(value, scanner)
    if isinstance(value, dict):
        return {key: masked_value(item, scanner) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked_value(item, scanner) for item in value]
    return value


def _with_words(data: bytes, found: Iterable[Secret]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for secret in found:
        pieces += [data[at : secret.start], f"[secret: {secret.kind}]".encode()]
        at = secret.stop
    return b"".join([*pieces, data[at:]])


def placeholder(kind: str, length: int) -> bytes:
    """ASCII of exactly this length that says what stood there, as far as there is room. JSON takes it as it is.

    >>> placeholder("github-pat", 40)
    b'[redacted:github-pat*******************]'
    >>> placeholder("url-password", 5)
    b'*****'
    """
    words = b"[redacted:" + kind.encode("ascii", "replace")
    if length < len(b"[redacted]"):
        return b"*" * length
    words = words if len(words) < length else b"[redacted"
    return words + b"*" * (length - len(words) - 1) + b"]"


def replaced(data: bytes, found: Iterable[Secret]) -> bytes:
    """The same bytes with a placeholder of the same length in the place of each secret."""
    changed = bytearray(data)
    for secret in found:
        changed[secret.start : secret.stop] = placeholder(secret.kind, secret.stop - secret.start)
    return bytes(changed)
