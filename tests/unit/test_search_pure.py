"""Rules of search that need no server: words, literals, snippets, fusion, times."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.archive.find import fuse, snippets
from mnemostream.archive.find.fuse import Lexical
from mnemostream.archive.find.question import BadQuestion, Question
from mnemostream.archive.find.snippets import Why
from mnemostream.archive.find.times import moment
from mnemostream.runtime.lexical import literals, terms
from mnemostream.runtime.secrets.scan import scanner

WORD = st.text("abcXYZ019_-./: é中", min_size=1, max_size=12)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_./:-]{0,20}", fullmatch=True)


@given(NAME, WORD, WORD)
def test_a_literal_by_itself_is_among_the_candidates(name: str, before: str, after: str) -> None:
    text = f"{before} {name} {after}"
    assert set(terms.wanted(name)) <= set(terms.hashes([text]))


@given(st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=2, max_size=5), st.sampled_from("_-./:"))
def test_a_literal_in_the_middle_of_a_longer_name_is_among_the_candidates(words: list[str], between: str) -> None:
    name = between.join(words)
    inner = name[:-1]  # the last word is cut
    assert set(terms.within(inner)) <= set(terms.hashes([f"x{between}{name}more"])) or len(words) == 1


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("manual_com", "git manual_commit"),
        ("scanJSONVal", "scanJSONValue()"),
        ("normalizePrePrompt", "state.normalizePrePromptState"),
        ("af7e53d", "af7e53d9aa01bb02cc03"),
    ],
)
def test_a_part_of_a_name_is_among_the_candidates(asked: str, written: str) -> None:
    held = set(terms.hashes([written]))
    assert set(terms.wanted(asked)) <= held or (terms.within(asked) and set(terms.within(asked)) <= held)


def test_names_are_taken_apart_for_the_words() -> None:
    assert {"user", "Name", "userName"} <= set(terms.extended("see userName").split())
    assert {"srclexertokenspy", "lexer", "tokens"} <= set(terms.extended("src/lexer/tokens.py").split())
    assert terms.extended("plain words only") == "plain words only"
    assert len(terms.extended("aB " * 1_000_000)) <= terms.MOST_CHARS


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("parse_header", ["parse_header"]),
        ("why is it red", ["why is it red"]),
        ("red", []),
        ("what is src/app.py for?", ["src/app.py", "what is src/app.py for?"]),
        ("commit af7e53d", ["af7e53d", "commit af7e53d"]),
        ("", []),
    ],
)
def test_literals_of_a_query(query: str, found: list[str]) -> None:
    assert literals.literals(query) == found


def test_a_session_counts_its_best_three_and_the_exchange_that_was_best() -> None:
    words = {("a1", "a"): 4.0, ("a2", "a"): 4.0, ("b1", "b"): 4.4}
    found = fuse.by_session(fuse.fused(words, {}, {}, 0.0), {}, 0.0)
    assert [one.session_id for one in found] == ["a", "b"]
    assert found[0].exchange_id == "a1"


def test_a_session_whose_exchanges_hold_the_words_together_comes_before_one_that_repeats_a_few() -> None:
    """Two words in one exchange and the third in another, against the same two in both."""
    idf = [3.0, 3.0, 3.0]
    lexical = {
        ("a1", "a"): Lexical(5.9, [1.0, 1.0, 0.0]),
        ("a2", "a"): Lexical(2.9, [0.0, 0.0, 1.0]),
        ("b1", "b"): Lexical(6.0, [1.0, 1.0, 0.0]),
        ("b2", "b"): Lexical(6.0, [1.0, 1.0, 0.0]),
    }
    exchanges = fuse.fused({key: one.score for key, one in lexical.items()}, {}, {}, 0.0)
    held = fuse.together(exchanges, lexical, idf)
    assert held == {"a": 1.0, "b": 0.0}
    assert [one.session_id for one in fuse.by_session(exchanges, held, 0.0)] == ["b", "a"]
    assert [one.session_id for one in fuse.by_session(exchanges, held, fuse.TOGETHER_WITHIN)] == ["a", "b"]


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=2), st.text(max_size=1)), st.lists(st.floats(0, 1), min_size=3, max_size=3)
    )
)
def test_what_exchanges_hold_together_lies_between_0_and_1(parts: dict[tuple[str, str], list[float]]) -> None:
    lexical = {key: Lexical(sum(found), found) for key, found in parts.items()}
    exchanges = fuse.fused({key: one.score for key, one in lexical.items()}, {}, {}, 0.0)
    held = fuse.together(exchanges, lexical, [2.0, 1.0, 0.5])
    assert all(0 <= value <= 1 for value in held.values())
    assert held.keys() <= {session for _, session in parts}
    assert fuse.together(exchanges, {}, []) == {}


def test_a_literal_comes_before_everything_else() -> None:
    words = {(f"e{n}", f"s{n}"): 10.0 - n for n in range(5)}
    found = fuse.fused(words, {("e1", "s1"): 0.9}, {("e4", "s4"): 0.8}, 0.4)
    assert found[0].exchange_id == "e4"
    assert found[0].why[0] == "exact"


@given(st.dictionaries(st.tuples(st.text(max_size=2), st.text(max_size=2)), st.floats(0.001, 9), max_size=300))
def test_normalised_scores_keep_their_order(scores: dict[tuple[str, str], float]) -> None:
    made = fuse.normalised(scores)
    assert len(made) == min(len(scores), fuse.BEST)
    assert all(0 <= value <= 1 for value in made.values())
    ordered = sorted(made, key=lambda key: -scores[key])
    assert [made[key] for key in ordered] == sorted(made.values(), reverse=True)


def test_a_snippet_shows_and_marks_what_was_found_and_masks_secrets() -> None:
    text = "filler " * 500 + "the failing builds wait for the lock; password=hunter2hunter2 here " + "more " * 500
    why = Why("failing build", "", ["fail", "build"], None)
    snippet, marks = snippets.of(text, why, scanner(""))
    assert [snippet[begin:stop] for begin, stop in marks] == ["failing", "builds"]
    assert "hunter2" not in snippet
    assert len(snippet) < 320
    assert snippets.of("", why, None) == ("", [])


PARTS = ["open", "Opened", "reopen", "x_open", "OPEN.md", "née", "İ", "a.b", " ", "\n", "-"]


@given(st.lists(st.sampled_from(PARTS)), st.sampled_from(["open", "opened née", "a.b open", "zz", ""]))
def test_matches_are_where_words_begin_as_those_of_the_query_do(parts: list[str], query: str) -> None:
    text = "".join(parts)
    stems = [word[:4] for word in query.split() if word.isalpha()]
    begins = re.compile("|".join(rf"(?<![^\W_]){stem}[^\W_]*" for stem in stems) or "(?!)", re.IGNORECASE)
    found = snippets.matches(text, Why(query, "", stems, None), 0)
    assert found == [match.start() for match in begins.finditer(text)]


def test_a_literal_matches_inside_a_word_and_in_another_case() -> None:
    assert snippets.matches("see xA.B and a.b", Why("a.b", "a.b", [], None), 0) == [5, 13]


@given(st.text(max_size=400), st.text(max_size=30))
def test_marks_lie_within_the_snippet(text: str, query: str) -> None:
    why = Why(query, query.strip(), terms.TOKEN.findall(query.lower()), None)
    snippet, marks = snippets.of(text, why, None)
    assert all(0 <= begin < stop <= len(snippet) for begin, stop in marks)


def test_times_as_people_write_them() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert moment("3d", now) == datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert moment("2026-01-31", now) == datetime(2026, 1, 31, tzinfo=UTC)
    assert moment("999999w", now).year == 1
    with pytest.raises(ValueError, match="use 3d"):
        moment("yesterday", now)


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "fuzzy"}, {"by": "line"}, {"role": "me"}, {"assistant": "nobody"}, {"limit": 0}, {"offset": -1}],
)
def test_a_bad_question_is_refused_in_words(wrong: dict[str, object]) -> None:
    with pytest.raises(BadQuestion):
        Question(text="x", **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadQuestion, match="NUL"):
        Question(text="a\0b")
