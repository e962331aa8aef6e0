"""Texts to chunks that fit the model's window, and chunks to batches. Pure.

Chunks cover the whole text: consecutive character spans without gap or overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

Tokens = Callable[[str], Sequence[tuple[int, int]]]
"""A text's tokens as character spans, in order, special tokens left out."""


class Span(msgspec.Struct, frozen=True):
    """Characters [begin, stop) of a text and how many tokens they are."""

    begin: int
    stop: int
    tokens: int


def split(text: str, tokens: Tokens, window: int) -> list[Span]:
    """Spans of at most `window` tokens that cover `text`, cut at line ends, sentence ends or spaces if possible.

    A single token longer than any window cannot be: `window` is at least 1.
    """
    offsets = tokens(text)
    spans: list[Span] = []
    begin = first = 0
    while first < len(offsets):
        last = min(first + window, len(offsets))
        if last < len(offsets):
            last = _good_cut(text, offsets, first, last)
        stop = offsets[last][0] if last < len(offsets) else len(text)
        spans.extend(_fitting(text, begin, stop, last - first, tokens, window))
        begin, first = stop, last
    if begin < len(text) and spans:
        spans[-1] = msgspec.structs.replace(spans[-1], stop=len(text))
    return spans or ([Span(0, len(text), 0)] if text else [])


def _good_cut(text: str, offsets: Sequence[tuple[int, int]], first: int, last: int) -> int:
    """The last token index in the final third at which a line, else a sentence, else a word begins."""
    lowest = first + max(1, (last - first) * 2 // 3)
    for ends in ("\n", ".!?;:", " \t"):
        for at in range(last, lowest - 1, -1):
            between = text[offsets[at - 1][0] : offsets[at][0]]
            if offsets[at][0] > offsets[at - 1][0] and any(c in ends for c in between):
                return at
    at = last
    while at > first + 1 and offsets[at][0] == offsets[at - 1][0]:
        at -= 1
    return at if offsets[at][0] > offsets[first][0] else last


def _fitting(text: str, begin: int, stop: int, count: int, tokens: Tokens, window: int) -> list[Span]:
    """The span, halved until it fits: some tokenizers need more tokens for a piece than for the piece in its text."""
    if stop <= begin:
        return []
    if count > window // 2:
        count = len(tokens(text[begin:stop]))
    if count <= window or stop - begin < 2:
        return [Span(begin, stop, count)]
    middle = (begin + stop) // 2
    halves = ((begin, middle), (middle, stop))
    return [span for b, s in halves for span in _fitting(text, b, s, len(tokens(text[b:s])), tokens, window)]


def batches(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Indexes grouped by similar length, longest first; items times longest of a group is at most `limit`.

    >>> batches([1, 9, 2, 8], 18)
    [[1, 3], [2, 0]]
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * max(1, lengths[groups[-1][0]]) <= limit:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
