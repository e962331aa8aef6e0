"""Chunks cover the whole text, whatever the tokenizer; batches hold every chunk once."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mnemostream.services.embedder import chunks


def words(text: str) -> list[tuple[int, int]]:
    """A tokenizer: words and single marks."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def letters(text: str) -> list[tuple[int, int]]:
    """Another: every letter is a token."""
    return [(at, at + 1) for at, letter in enumerate(text) if not letter.isspace()]


def grumpy(text: str) -> list[tuple[int, int]]:
    """One that needs more tokens for a piece than for the piece in its text, as some do."""
    spans = words(text)
    return spans[:1] + spans


@given(st.text(max_size=400), st.integers(1, 30), st.sampled_from([words, letters, grumpy]))
def test_spans_cover_the_text_without_gap_or_overlap(text: str, window: int, tokens: chunks.Tokens) -> None:
    spans = chunks.split(text, tokens, window)
    assert "".join(text[span.begin : span.stop] for span in spans) == text
    assert [span.begin for span in spans[1:]] == [span.stop for span in spans[:-1]]


@given(st.text(max_size=400), st.integers(1, 30), st.sampled_from([words, letters]))
def test_every_span_fits_the_window(text: str, window: int, tokens: chunks.Tokens) -> None:
    assert all(len(tokens(text[s.begin : s.stop])) <= window for s in chunks.split(text, tokens, window))


def test_a_long_text_is_cut_where_a_line_or_a_sentence_ends() -> None:
    text = "One two three four five six.\nSeven eight nine ten. Eleven twelve thirteen fourteen."
    first = chunks.split(text, words, 9)[0]
    assert text[first.begin : first.stop] == "One two three four five six.\n"


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 2000))
def test_batches_hold_each_index_once_and_stay_below_the_limit(lengths: list[int], limit: int) -> None:
    groups = chunks.batches(lengths, limit)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[index] for index in group) <= limit
