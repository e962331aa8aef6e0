"""The pure parts of capture's proof: cutting texts, comparing copies, the ledger, roots, the retention guard."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import itertools
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.archive.copies import Segment
from mnemostream.archive.proof.compare import Comparison, difference
from mnemostream.archive.proof.kept import Kept
from mnemostream.archive.retention import DEFAULT_DAYS, Guard, cleanup_days, max_age_days
from mnemostream.contracts import sources
from mnemostream.contracts.sources import Root
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals
from mnemostream.services.health.http.bodies.ledger import accounts, balanced
from mnemostream.services.watcher.parsing.shrink import TooLarge, shrink

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 30), st.integers(1, 9), st.booleans())
def test_a_shrunk_json_text_is_well_formed_and_keeps_the_beginning_of_every_text(
    value: object, keep: int, step: int, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    _same(json.loads(shrink(pieces, keep, 1 << 20).decode("utf-8", "surrogatepass")), value, keep)


def _same(found: object, given_: object, keep: int) -> None:
    if isinstance(given_, str):
        assert isinstance(found, str)
        assert given_.startswith(found) or "\ud800" <= found[-1:] <= "\udfff"  # half of an escaped pair
        assert len(found.encode("utf-8", "surrogatepass")) <= keep + 6
        assert found == given_ or len(json.dumps(found)) + 6 > keep
    elif isinstance(given_, list):
        assert isinstance(found, list)
        assert len(found) == len(given_)
        for one, other in zip(found, given_, strict=True):
            _same(one, other, keep)
    elif isinstance(given_, dict):
        assert isinstance(found, dict)
        if all(len(key.encode("utf-8", "surrogatepass")) * 6 < keep for key in given_):
            for key, other in given_.items():
                _same(found[key], other, keep)
    else:
        assert found == given_


def test_what_stays_too_large_is_refused() -> None:
    with pytest.raises(TooLarge):
        shrink([b"[" + b"1," * 1000 + b"1]"], 10, 100)


def segments(data: bytes, cuts: list[int]) -> list[Segment]:
    bounds = sorted({0, *cuts, len(data)})
    return [
        Segment(0, a, b, zstandard.compress(data[a:b]), hashlib.sha256(data[:b]).digest())
        for a, b in itertools.pairwise(bounds)
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5), st.randoms())
def test_a_copy_is_equal_in_any_order_and_every_changed_byte_is_inside_a_gap(
    data: bytes, cuts: list[int], rng: object
) -> None:
    parts = segments(data, [cut for cut in cuts if cut <= len(data)])
    rng.shuffle(parts)  # type: ignore[attr-defined]
    assert _gaps(parts, data) == []
    for lost in range(len(parts)):
        gaps = _gaps(parts[:lost] + parts[lost + 1 :], data)
        assert [(gap.start, gap.end) for gap in gaps if gap.start <= parts[lost].start < gap.end]
    for at in range(len(data)):
        other = bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]])
        assert any(gap.start <= at < gap.end for gap in _gaps(parts, other))
    assert [(g.start, g.end) for g in _gaps(parts, data + b"more")] == [(len(data), len(data) + 4)]
    assert _gaps(parts, data[:-1])


def _gaps(parts: list[Segment], data: bytes):  # type: ignore[no-untyped-def]
    comparison = Comparison("f", "log", "t")
    for part in parts:
        comparison.take(part, Kept(data))
    return comparison.finish(len(data))


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_the_difference_of_two_texts_holds_all_of_it(one: bytes, other: bytes) -> None:
    begin, stop = difference(one, other)
    if one != other:
        assert one[:begin] == other[:begin]
        assert begin < stop <= max(len(one), len(other))
        if len(one) == len(other):
            assert one[stop:] == other[stop:]


def test_the_ledger_names_each_gap_by_source() -> None:
    codex = SourceVitals(
        files=2, discovered_bytes=100, captured_bytes=90, present_published_bytes=80, published_bytes=180
    )
    rows = [
        {"source": "codex", "stored_bytes": 170, "texts": 9, "embedded": 7},
        {"source": "pi", "stored_bytes": 5, "texts": 0, "embedded": 0},
    ]
    total, sources_ = accounts(WatcherVitals(sources={"codex": codex}), rows)
    gaps = {"uncaptured_bytes": 10, "unpublished_bytes": 10, "unstored_bytes": 10, "unembedded_texts": 2}
    assert (balanced(sources_), sources_["codex"].gaps) == (False, gaps)
    assert total.stored_bytes == 175
    assert sources_["pi"].gaps["unstored_bytes"] == 0
    assert balanced(accounts(WatcherVitals(), [])[1])


def test_a_gap_of_one_source_is_not_hidden_by_another() -> None:
    told = WatcherVitals(sources={name: SourceVitals(published_bytes=10) for name in ("codex", "pi")})
    stored = {"codex": 0, "pi": 20}
    rows = [{"source": name, "stored_bytes": size, "texts": 0, "embedded": 0} for name, size in stored.items()]
    assert not balanced(accounts(told, rows)[1])


def test_roots_are_distinct_and_named_sources_win() -> None:
    found = sources.distinct([Root("/a/b"), Root("/a", "codex"), Root("/c"), Root("/c", "pi"), Root("/ab")])
    assert found == [Root("/a", "codex"), Root("/ab"), Root("/c", "pi")]
    homes = {root.source: root for root in sources.defaults({"CODEX_HOME": "/x"}, Path("/home/d"))}
    assert homes["codex"].folder == "/x/archived_sessions"
    assert homes["gemini"].leaves("0ab/chats/session-1.json") == ""
    assert homes["gemini"].leaves("0ab/logs.json") == "unknown name"
    assert str(sources.parse("pi=/p")) == "pi=/p"
    assert sources.parse("/odd=/p").folder == "/odd=/p"


@pytest.mark.parametrize(
    ("variable", "folders"),
    [
        ("", ["/home/d/.claude/projects", "/home/d/.config/claude/projects"]),
        ("/a", ["/a/projects"]),
        ("/a,/b", ["/a/projects", "/b/projects"]),
        ("/a:/b c", ["/a/projects", "/b c/projects"]),
    ],
)
def test_an_assistant_may_have_several_homes(variable: str, folders: list[str]) -> None:
    homes = sources.defaults({"CLAUDE_CONFIG_DIR": variable}, Path("/home/d"))
    assert [root.folder for root in homes if root.source == "claude-code"] == folders


@pytest.mark.parametrize(
    ("text", "days", "wrong"),
    [
        (None, DEFAULT_DAYS, False),
        ("{}", DEFAULT_DAYS, False),
        ('{"cleanupPeriodDays": 90}', 90.0, False),
        ('{"cleanupPeriodDays": 0}', 0.0, False),
        ('{"cleanupPeriodDays": "long"}', DEFAULT_DAYS, True),
        ('{"cleanupPeriodDays": true}', DEFAULT_DAYS, True),
        ("[]", DEFAULT_DAYS, False),
        ("nonsense", DEFAULT_DAYS, True),
    ],
)
def test_the_days_come_from_claude_codes_settings(tmp_path: Path, text: str | None, days: float, wrong: bool) -> None:
    if text is not None:
        (tmp_path / "settings.json").write_text(text)
    found, problem = cleanup_days({"CLAUDE_CONFIG_DIR": str(tmp_path)}, Path("/nowhere"))
    assert (found, bool(problem)) == (days, wrong)


@pytest.mark.parametrize(
    ("text", "days", "wrong"),
    [
        (None, 30, False),
        ("{}", 30, False),
        ('{"general": {"sessionRetention": {"enabled": true, "maxAge": "12h"}}}', 0.5, False),
        ('{"general": {"sessionRetention": {"maxAge": "2w"}}}', 14, False),
        ('{"general": {"sessionRetention": {"enabled": false}}}', 0, False),
        ('{"general": {"sessionRetention": {"maxAge": "soon"}}}', 30, True),
        ("{", 30, True),
    ],
)
def test_gemini_deletes_after_what_its_settings_say(tmp_path: Path, text: str | None, days: float, wrong: bool) -> None:
    (tmp_path / ".gemini").mkdir()
    if text is not None:
        (tmp_path / ".gemini" / "settings.json").write_text(text)
    found, problem = max_age_days(tmp_path)
    assert (found, bool(problem)) == (days, wrong)


def test_the_guard_says_what_is_not_archived() -> None:
    guard = Guard("claude-code", "/f", 30, 7, due=3, archived=2, missing=["a.jsonl"])
    assert not guard.safe
    assert "3 transcripts will be deleted within 7 days; 1 of them are NOT archived: a.jsonl" in guard.summary()


@pytest.mark.parametrize(
    "name",
    [
        "contracts.projects",
        "contracts.sources.attachments",
        "contracts.subjects",
        "archive.proof.compare",
        "services.watcher.parsing.shrink",
        "services.watcher.authorship.texts",
        "services.watcher.authorship.wrappers",
        "services.watcher.formats.lines",
        "services.watcher.formats.claude.code",
        "services.watcher.formats.codex",
    ],
)
def test_examples_in_docstrings_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"mnemostream.{name}"))
    assert result.attempted
    assert not result.failed
