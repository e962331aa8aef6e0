"""Finds secrets in bytes: of a line of JSON as it is, or of a text. Pure.

    bytes ──one pass over all keywords──▶ rules worth trying ──their expressions, escapes blanked──▶ findings

One automaton of RE2 reads each text once; an expression runs only where its keyword stands. RE2 never goes back, so a
hostile text cannot make it slow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import re2

from runtime.secrets.ordinary import entropy, is_ordinary
from runtime.secrets.rules import BYTES, Rule, load

ESCAPES = ((b"\\n", b" \n"), (b"\\t", b" \t"), (b"\\", b" "))
"""JSON's escapes, once or several times escaped, to white space of the same length: offsets stay, and a word begins
after `\\n`."""


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
        text = data
        for escape, blank in ESCAPES if b"\\" in data else ():
            text = text.replace(escape, blank)
        found: list[Secret] = []
        for number in sorted({number for hit in hits for number in self._tried[hit]}):
            for start, stop in self._spans(number, text):
                start -= _escaping(data, start)
                _add(found, Secret(start, stop, self.rules[number].id))
        return sorted(found)

    def count(self, data: bytes) -> dict[str, int]:
        """How many of each kind."""
        return dict(Counter(secret.kind for secret in self.find(data)))

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
    """1 if the byte before is a backslash that escapes the first one: both go, or none."""
    before = data[:start]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 if before.endswith(b"\\") else 0


def _whole(text: bytes, start: int, stop: int) -> tuple[int, int]:
    """Without white space at its ends, which may be half of an escape, and no character in halves."""
    while start < stop and text[stop - 1] in WHITE:
        stop -= 1
    while start < stop and text[start] in WHITE:
        start += 1
    while stop < len(text) and text[stop] & 0xC0 == 0x80:
        stop += 1
    return start, stop


def _is_allowed(rule: Rule, value: bytes, match: bytes) -> bool:
    for allowed in rule.allowlists:
        target = value if allowed.regexTarget == "secret" else match
        if any(re2.search(expression.encode("utf-8"), target, BYTES) for expression in allowed.regexes):
            return True
        if any(word.encode("utf-8").lower() in value.lower() for word in allowed.stopwords):
            return True
    return False


def _add(found: list[Secret], secret: Secret) -> None:
    """What overlaps an earlier finding widens it."""
    for at, known in enumerate(found):
        if secret.start < known.stop and known.start < secret.stop:
            found[at] = Secret(min(known.start, secret.start), max(known.stop, secret.stop), known.kind)
            return
    found.append(secret)


@cache
def scanner(more: str = "") -> Scanner:
    """The scanner of our rules, and of those in the file `more`. Raises Misconfigured."""
    return Scanner(load(more))
