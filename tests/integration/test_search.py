"""Search over a real log and a real database; no embedder runs, so that words and literals answer."""

# long file: one archive, asked in many ways

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from mnemostream.archive.copies import Archive
from mnemostream.archive.find import sides
from mnemostream.archive.find.answer import CannotSearch
from mnemostream.archive.find.finder import Finder, opened
from mnemostream.archive.find.question import Question
from mnemostream.contracts import codec
from mnemostream.contracts.transcripts import TranscriptForgotten
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.secrets.scan import scanner
from mnemostream.services.health.search.messages import Asked, Search
from mnemostream.services.health.search.worker import Answers
from mnemostream.services.writer import queries
from mnemostream.services.writer.database import connect
from mnemostream.services.writer.indexing import Indexer, index
from tests.conftest import answer, eventually, jsonl, prompt
from tests.integration.conftest import Fill

TIDE = "/home/dana/src/tidepool"
OTHER = "/home/dana/src/lanternfish"


def call(tool: str, given: dict[str, Any], name: str) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"t-{name}", "name": tool, "input": given}
    return answer(block, name=name, timestamp="")


def result(text: str, name: str, of: str) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": f"t-{of}", "content": text}
    return {"type": "user", "uuid": name, "message": {"role": "user", "content": [block]}}


def sessions() -> dict[str, bytes]:
    """Three sessions and a fork."""
    red = [
        prompt("why is the nightly build red?", "p1", cwd=TIDE, timestamp="2026-01-02T10:00:00Z"),
        call("Bash", {"command": "git show af7e53d0c1b2a3", "why": "x" * 600 + " needle_at_the_end"}, "c1"),
        result("error[E0308]: mismatched types\n  --> src/lexer/tokenKinds.rs:42", "r1", "c1"),
        answer(
            "The lexer returns a borrowed token; password=hunter2hunter2 was left in.",
            name="a1",
            timestamp="2026-01-02T10:01:00Z",
        ),
        {"type": "ai-title", "aiTitle": "Mend the nightly build", "sessionId": "red"},
    ]
    fork = [*red[:4], prompt("and the weekly one?", "p9", cwd=TIDE, timestamp="2026-01-03T10:00:00Z")]
    green = [
        prompt("paint the harbour green", "p2", cwd=OTHER, timestamp="2026-02-02T10:00:00Z"),
        answer("The harbour is green, like the build of lanterns in May.", name="a2", timestamp="2026-02-02T10:01:00Z"),
        call("Edit", {"file_path": "/srv/harbour/paint.py", "old": "red"}, "c2"),
    ]
    return {"red": jsonl(*red), "fork": jsonl(*fork), "green": jsonl(*green)}


@pytest.fixture
async def archive(transcripts: Path, fill: Fill) -> None:
    """Filled, and indexed by the replay."""
    for name, content in sessions().items():
        (transcripts / f"{name}.jsonl").write_bytes(content)
    await fill()


@pytest.fixture
async def finder(nats: Nats, database: str) -> AsyncIterator[Finder]:
    async with opened(Endpoints(nats.url("operator"), database, "http://127.0.0.1:1")) as found:
        yield found


async def ids(finder: Finder, text: str, **more: Any) -> list[str]:
    return [hit.exchange_id for hit in (await finder.search(Question(text=text, by="exchange", **more))).hits]


@pytest.mark.usefixtures("archive")
async def test_words_answer_without_an_embedder_and_say_so(finder: Finder) -> None:
    found = await finder.search(Question(text="nightly builds", lines=True))
    assert (found.mode, found.note[:10]) == ("words", "words only")
    assert "embedder" in found.note
    best = found.hits[0]
    assert (best.exchange_id, best.title, best.project, best.assistant) == (
        "p1",
        "Mend the nightly build",
        TIDE,
        "claude-code",
    )
    assert (best.where, best.line, best.why) == ("prompt", 1, ["words"])
    assert [best.snippet[begin:stop] for begin, stop in best.marks] == ["nightly", "build"]
    assert best.resume.startswith(f"cd {TIDE} && claude --resume ")
    with pytest.raises(CannotSearch):
        await finder.search(Question(text="nightly builds", mode="meaning"))


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("af7e53d", "tool input"),
        ("needle_at_the_end", "tool input"),
        ("needle_at", "tool input"),
        ("error[E0308]: mismatched types", "tool output"),
        ("tokenKinds", "tool output"),
        ("src/lexer/tokenKinds.rs", "tool output"),
    ],
)
async def test_what_tools_were_given_and_printed_is_found_exactly(finder: Finder, query: str, where: str) -> None:
    [best, *_] = (await finder.search(Question(text=query))).hits
    assert (best.exchange_id, best.where, best.why[0]) == ("p1", where, "exact")
    assert query in best.snippet


@pytest.mark.usefixtures("archive")
async def test_a_copy_in_a_fork_is_found_once_and_a_title_finds_its_session(finder: Finder) -> None:
    assert (await ids(finder, "nightly build red")).count("p1") == 1
    assert (await ids(finder, "weekly one"))[0] == "p9"
    [best, *_] = (await finder.search(Question(text="mend the nightly BUILD"))).hits
    assert (best.session_id, best.why[0]) == ("red", "exact")


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("nothing", ["", "   ", "zzzyx", "qwrtp flurb", "…", "the", "'", "\\", "a' | 'b", "!:*&|"])
async def test_what_is_nowhere_finds_nothing(finder: Finder, nothing: str) -> None:
    found = await finder.search(Question(text=nothing))
    assert (found.hits, found.next) == ([], None)


@pytest.mark.usefixtures("archive")
async def test_filters_hold_on_all_sides(finder: Finder) -> None:
    assert set(await ids(finder, "build")) == {"p1", "p2", "p9"}
    assert await ids(finder, "build", project="LANTERN") == ["p2"]
    assert await ids(finder, "build", since=datetime(2026, 2, 1, tzinfo=UTC)) == ["p2"]
    assert set(await ids(finder, "build", until=datetime(2026, 2, 1, tzinfo=UTC))) == {"p1", "p9"}
    assert await ids(finder, "build", role="assistant") == ["p2"]
    assert await ids(finder, "build", tool="bash") == ["p1"]
    assert await ids(finder, "harbour", file="harbour/paint") == ["p2"]
    assert await ids(finder, "build", assistant="codex") == []
    assert await ids(finder, "build", session="gre") == ["p2"]
    assert await ids(finder, "harbour", without="green") == []
    assert await ids(finder, "mismatched types", role="you", mode="exact") == []
    assert await ids(finder, "mismatched types", role="tool", mode="exact") == ["p1"]


async def test_with_a_filter_words_are_counted_among_what_passes(
    transcripts: Path, fill: Fill, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tidepool` is rare in the archive, and in every row of its project; there `quiet` tells more."""
    for number in range(8):
        lines = [prompt(f"the quiet hall {number}", f"q{number}", cwd=OTHER), answer("It is quiet.", name=f"b{number}")]
        (transcripts / f"other{number}.jsonl").write_bytes(jsonl(*lines))
    said = ["tidepool tidepool tidepool", "the tidepool is quiet", "a third tidepool", "a fourth tidepool"]
    mine = [record for n, text in enumerate(said) for record in (prompt(text, f"t{n}", cwd=TIDE), answer("Yes."))]
    (transcripts / "mine.jsonl").write_bytes(jsonl(*mine))
    await fill()
    asked = Question(text="tidepool quiet", project=TIDE)
    within = await sides.lexemes(finder.pool, asked)
    rare = dict(zip(within.lexemes, within.idf, strict=True))
    assert within.within
    assert rare["quiet"] > 3 * rare["tidepool"]
    order = await ids(finder, "tidepool quiet", project=TIDE)
    assert order.index("t1") < order.index("t0")

    monkeypatch.setattr(sides, "FEW", 3)  # more rows pass than are counted for one question
    archive = await sides.lexemes(finder.pool, asked)
    everywhere = dict(zip(archive.lexemes, archive.idf, strict=True))
    assert not archive.within
    assert everywhere["tidepool"] > everywhere["quiet"]
    assert set(await ids(finder, "tidepool quiet", project=TIDE)) == {"t0", "t1", "t2", "t3"}


@pytest.mark.usefixtures("archive")
async def test_pages_follow_one_another(finder: Finder) -> None:
    first = await finder.search(Question(text="build", by="exchange", limit=2))
    rest = await finder.search(Question(text="build", by="exchange", limit=2, offset=int(first.next or 0)))
    assert {hit.exchange_id for hit in (*first.hits, *rest.hits)} == {"p1", "p2", "p9"}
    assert rest.next is None


@pytest.mark.usefixtures("archive")
async def test_secrets_in_snippets_are_masked(finder: Finder) -> None:
    [plain] = (await finder.search(Question(text="borrowed token"))).hits
    [masked] = (await finder.search(Question(text="borrowed token"), scanner(""))).hits
    assert "hunter2hunter2" in plain.snippet
    assert "[secret: " in masked.snippet
    assert "hunter2" not in masked.snippet


async def test_the_api_shows_no_half_of_a_secret(transcripts: Path, fill: Fill, finder: Finder) -> None:
    value = "".join(random.Random(5).choices("abcdefghijkmnpqrstuvwxyz23456789", k=64))
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt(f"it has api_key={value} needlework in it", "p1")))
    await fill()
    answers = Answers(finder, scanner(""))
    asked = Search(Question(text="needlework"))
    hidden = (await answers.answer(Asked(1, False, asked))).body
    assert b"needlework" in hidden
    assert [n for n in range(len(value) - 8) if value[n : n + 8].encode() in hidden] == []
    assert value[-20:].encode() in (await answers.answer(Asked(2, True, asked))).body


async def _unindexed(kept: Archive) -> list[str]:
    """Takes the index away; what there was in it."""
    names = [row[0] for row in await kept.database.fetch("select distinct exchange_id from words")]
    for table in ("words", "literals", "word_counts", "word_totals"):
        await kept.database.execute(f"delete from {table}")
    await kept.database.execute(
        "insert into unindexed select distinct exchange_id, transcript_id, generation, 0, false from records"
        " where exchange_id is not null"
    )
    return names


async def test_a_row_is_found_before_it_is_indexed(
    transcripts: Path, fill: Fill, finder: Finder, kept: Archive
) -> None:
    for name, content in sessions().items():
        (transcripts / f"{name}.jsonl").write_bytes(content)
    await fill()
    names = await _unindexed(kept)
    [best, *_] = (await finder.search(Question(text="nightly builds"))).hits
    assert (best.exchange_id, best.project, best.assistant) == ("p1", TIDE, "claude-code")
    assert (await ids(finder, "mismatched types", mode="exact")) == ["p1"]
    assert (await ids(finder, "harbour", project="tide")) == []
    await index(kept.database, names)
    assert await kept.database.fetchval("select count(*) from unindexed") == 0
    [best, *_] = (await finder.search(Question(text="nightly builds"))).hits
    assert (best.exchange_id, best.title) == ("p1", "Mend the nightly build")


async def test_what_each_word_gives_stands_in_the_order_of_the_words(
    archive: None, finder: Finder, kept: Archive
) -> None:
    await index(kept.database, await _unindexed(kept))
    question = Question(text="nightly builds harbour")
    words = await sides.lexemes(finder.pool, question)

    async def given(lexemes: Sequence[str]) -> dict[str, float]:
        asked = msgspec.structs.replace(words, lexemes=lexemes, idf=[1.0] * len(lexemes), rows=[1] * len(lexemes))
        found = await sides.by_words(finder.pool, question, asked)
        return next((dict(zip(lexemes, one.parts, strict=True)) for key, one in found.items() if key[0] == "p1"), {})

    alone = {lexeme: (await given([lexeme])).get(lexeme, 0.0) for lexeme in words.lexemes}
    assert len(set(alone.values())) > 1
    for order in itertools.permutations(words.lexemes):
        assert await given(order) == pytest.approx(alone)


@pytest.mark.parametrize("role", [None, "you", "assistant"])
async def test_the_exchange_that_promises_most_is_scored_where_few_are(
    transcripts: Path,
    fill: Fill,
    finder: Finder,
    kept: Archive,
    monkeypatch: pytest.MonkeyPatch,
    role: str | None,
) -> None:
    """Whoever said the words: a short prompt that holds them promises nothing for what the assistant has said."""
    said = [("quartz latch", "Done, and a few words more."), ("Please go on.", "The quartz latch is open, and more.")]
    for number, (asked, answered) in enumerate(said):
        lines = [prompt(asked, name=f"p{number}"), answer(answered, name=f"a{number}")]
        (transcripts / f"s{number}.jsonl").write_bytes(jsonl(*lines))
    await fill()
    await index(kept.database, await _unindexed(kept))
    question = Question(text="quartz latch", role=role)
    words = await sides.lexemes(finder.pool, question)
    everything = await sides.by_words(finder.pool, question, words)
    assert len(everything) == (1 if role else 2)
    best = max(everything, key=lambda key: everything[key].score)
    monkeypatch.setattr(sides, "CANDIDATES", 1)
    assert await sides.by_words(finder.pool, question, words) == {best: everything[best]}


@pytest.mark.parametrize(("side", "text"), [("by_words", "nightly builds"), ("by_literals", "tokenKinds.rs:42")])
async def test_a_row_that_is_indexed_during_a_search_is_found(
    archive: None, finder: Finder, kept: Archive, monkeypatch: pytest.MonkeyPatch, side: str, text: str
) -> None:
    names = await _unindexed(kept)
    look = getattr(sides, side)

    async def and_then_indexed(*args: Any) -> Any:
        found = await look(*args)
        await index(kept.database, names)
        return found

    monkeypatch.setattr(sides, side, and_then_indexed)
    assert (await ids(finder, text))[:1] == ["p1"]


async def test_a_mark_that_is_set_again_meanwhile_stays(transcripts: Path, fill: Fill, database: str) -> None:
    (transcripts / "red.jsonl").write_bytes(sessions()["red"])
    await fill()
    one, other = [await asyncpg.connect(database) for _ in range(2)]
    try:
        mark = "insert into unindexed select 'p1', transcript_id, 0, 0, true from transcripts"
        await one.execute(mark)
        async with one.transaction():
            await one.execute("select 1 from records limit 1")
            seen = await one.fetchval("select marked_at from unindexed")
        await other.execute("update unindexed set marked_at = clock_timestamp()")
        row = await one.fetchrow("select exchange_id, transcript_id, generation from unindexed")
        await one.execute(queries.read("words_done"), *([value] for value in (*row, str(seen))))
        assert await one.fetchval("select count(*) from unindexed") == 1
        assert await Indexer().step(one, yields=False) == 1
        assert await one.fetchval("select count(*) from unindexed") == 0
    finally:
        await one.close()
        await other.close()


async def test_the_indexer_of_a_writer_indexes_what_it_stores_and_forgets_it(
    transcripts: Path, fill: Fill, database: str, finder: Finder, kept: Archive
) -> None:
    for name, content in sessions().items():
        (transcripts / f"{name}.jsonl").write_bytes(content)
    await fill()
    rows = await kept.database.fetch("select transcript_id from transcripts where session_id in ('green', 'fork')")
    assert await ids(finder, "harbour") == ["p2"]
    told: dict[str, Any] = {}
    async with connect(database) as store:
        indexing = asyncio.create_task(store.index(told.update))
        at = codec.iso(0)
        gone = [TranscriptForgotten(row[0], "claude-code", "x", at) for row in rows]
        await store.store_transcripts(gone)

        async def forgotten() -> None:
            assert await kept.database.fetchval("select count(*) from unindexed") == 0
            assert await ids(finder, "harbour") == []
            assert await ids(finder, "weekly") == []
            assert await ids(finder, "nightly build") == ["p1"]
            assert await ids(finder, "mismatched types") == ["p1"]

        await eventually(forgotten)
        assert told["unindexed"] is not None
        assert told["indexing_failed"] is None

        async def failing(wrong: bool) -> None:
            assert bool(told["indexing_failed"]) is wrong

        await kept.database.execute("alter table words rename to away")
        mark = "insert into unindexed select 'p1', transcript_id, 0, 0, true from transcripts limit 1"
        await kept.database.execute(mark)
        await eventually(lambda: failing(True))
        assert "words" in told["indexing_failed"]
        await kept.database.execute("alter table away rename to words")
        await eventually(lambda: failing(False))
        await eventually(forgotten)
        for table in ("words", "literals"):
            left = await kept.database.fetch(f"select distinct transcript_id from {table}")
            assert {row[0] for row in left}.isdisjoint({row[0] for row in rows}), table
        lexemes = await kept.database.fetch("select word from ts_stat('select terms from words')")
        assert "harbour" not in {row[0] for row in lexemes}
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
