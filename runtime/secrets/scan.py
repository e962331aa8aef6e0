"""Finds secrets in bytes: of a line of JSON as it is, or of a text. Pure.

    bytes ──one pass over all keywords──▶ rules worth trying ──their expressions, escapes blanked──▶ findings

One automaton of RE2 reads each text once; an expression runs only where its keyword stands. RE2 never goes back, so a
hostile text cannot make it slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import re2

from mnemostream.runtime.secrets.ordinary import entropy, is_ordinary
from mnemostream.runtime.secrets.rules import BYTES, Rule, load

ESCAPES = ((b"\\n", b" \n"), (b"\\t", b" \t"), (b"\\", b" "))
CODED = re2.compile(
    rb"(?:\\u001[bB]|\\x1[bB]|\\033|\\e|\x1b)\[[0-9;]*[A-Za-z]|\\+u00([0-9a-fA-F]{2})|\\+x([0-9a-fA-F]{2})|\\[rbf]|"
    rb"%([23][0-9a-fA-F])",
    BYTES,
)
"""Colours of a terminal, and characters by their code: in JSON, in programs, in addresses."""
BACKSLASH = 0x5C
REPLACED = (b"[redacted", b"[secret:", b"***")
"""What stands in the place of a secret is none."""
WHITE = frozenset(b" \n\t\r")


class Secret(msgspec.Struct, frozen=True, order=True):
    """Bytes [start, stop) that look like a secret of this kind."""

    start: int
    stop: int
    kind: str


class Scanner:
    """All rules, ready to run. The rules are in the order of their claim: the first keeps what several find."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = list(rules)
        self._compiled: dict[int, Any] = {}
        filters: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for expression in rule.filters():
                filters.setdefault(expression, []).append(number)
        self._tried = list(filters.values())
        self._filter = re2.Set.SearchSet(BYTES)
        for expression in filters:
            self._filter.Add(expression.encode("utf-8"))
        self._filter.Compile()

    def find(self, data: bytes) -> list[Secret]:
        """Secrets in their order, none within another."""
        hits = self._filter.Match(data)
        if not hits:
            return []
        text = _plain(data)
        found = [
            (start - _escaping(data, start), stop, number)
            for number in sorted({number for hit in hits for number in self._tried[hit]})
            for start, stop in self._spans(number, text)
        ]
        return [Secret(start, stop, self.rules[number].id) for start, stop, number in _merged(found)]

    def _spans(self, number: int, text: bytes) -> Iterable[tuple[int, int]]:
        rule = self.rules[number]
        if number not in self._compiled:
            self._compiled[number] = re2.compile(rule.regex.encode("utf-8"), BYTES)
        expression = self._compiled[number]
        group = rule.secret_group or min(1, expression.groups)
        for match in expression.finditer(text):
            start, stop = match.span(group)
            start, stop = _whole(text, start, stop)
            value = text[start:stop]
            if start == stop or value.startswith(REPLACED) or (rule.entropy and entropy(value) < rule.entropy):
                continue
            if not (rule.ordinary and is_ordinary(value)) and not _is_allowed(rule, value, match.group()):
                yield start, stop


def _escaping(data: bytes, start: int) -> int:
    """How many backslashes stand before: all go with the first byte, or an escape would be left in halves."""
    at = start
    while at and data[at - 1] == BACKSLASH:
        at -= 1
    return start - at


def _whole(text: bytes, start: int, stop: int) -> tuple[int, int]:
    """Without white space at its ends, which may be half of an escape, and no character in halves."""
    while start < stop and text[stop - 1] in WHITE:
        stop -= 1
    while start < stop and text[start] in WHITE:
        start += 1
    while stop < len(text) and text[stop] & 0xC0 == 0x80:
        stop += 1
    return start, stop


def _plain(data: bytes) -> bytes:
    """The text without escapes, in the same places: JSON's, once or several times escaped, are white space, so that a
    word begins after `\\n`; what is coded is itself, at the end of its code."""
    if b"\\" in data or b"%" in data or b"\x1b" in data:
        data = CODED.sub(_decoded, data)
    if b"\\" not in data:
        return data
    for escape, blank in ESCAPES:
        data = data.replace(escape, blank)
    return data.replace(b"\\", b" ")


def _decoded(match: Any) -> bytes:
    code = match[1] or match[2] or match[3]
    sign = bytes([int(code, 16)]) if code else b" "
    return (sign if b"!" <= sign <= b"~" else b" ").rjust(len(match[0]))


def _is_allowed(rule: Rule, value: bytes, match: bytes) -> bool:
    for allowed in rule.allowlists:
        target = value if allowed.regexTarget == "secret" else match
        if any(re2.search(expression.encode("utf-8"), target, BYTES) for expression in allowed.regexes):
            return True
        if any(word.encode("utf-8").lower() in value.lower() for word in allowed.stopwords):
            return True
    return False


def _merged(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """In their order; what overlaps is one, of the rule that comes first."""
    merged: list[tuple[int, int, int]] = []
    for start, stop, number in sorted(found):
        if merged and start < merged[-1][1]:
            before = merged[-1]
            merged[-1] = (before[0], max(before[1], stop), min(before[2], number))
        else:
            merged.append((start, stop, number))
    return merged


@cache
def scanner(more: str = "") -> Scanner:
    """The scanner of our rules, and of those in the file `more`. Raises Misconfigured."""
    return Scanner(load(more))
