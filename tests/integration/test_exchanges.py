"""Exchanges on a real PostgreSQL: strangers never merge, copies never double (the table is in docs/formats.md)."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemostream.contracts import sources
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.services.watcher.formats import identify
from mnemostream.services.watcher.parsing.units import FileOrigin, parse, units_of, unpacked_units
from mnemostream.services.writer.database import store
from tests.conftest import answer, jsonl, prompt
from tests.integration.sessions import (
    FAMILIES,
    File,
    Talk,
    claude,
    codex,
    codex_fork,
    compressed,
    cut,
    forked,
    pi,
    replayed,
    restamped,
    split,
)

Row = tuple[str, str]


def event(number: int, path: str, data: bytes) -> TranscriptChanged:
    """What a watcher publishes of a file, in one event."""
    unzipped = zstandard.decompress(data) if path.endswith(".zst") else data
    found = identify(path, unzipped, sources.AUTO, complete=True)
    assert found is not None
    context = found.format.context(path.removesuffix(".zst"), found.first)
    origin = FileOrigin(f"t{number}", "h", "/r", path, found.format, context, found.whole, path.endswith(".zst"))
    units = unpacked_units if origin.packed else units_of
    records, _ = parse(units([data], whole=found.whole), origin, found.format.state())
    return TranscriptChanged(
        transcript=f"t{number}",
        source=found.format.name,
        host="h",
        root="/r",
        path=path,
        session_id=context.session_id,
        generation=0,
        start=0,
        end=len(data),
        sha256="00" * 32,
        captured_at="2026-08-01T10:00:00Z",
        records=records,
        subagent=context.subagent,
        parser=found.format.version,
        data=b"",
    )


class Archive:
    """A database that is emptied before each reading."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def rows(self, *files: File, view: str = "conversations") -> list[dict[str, Any]]:
        """The view's rows for these files alone, whatever their order."""
        await self.connection.execute("truncate records, segments, transcripts, reparsed cascade")
        events = [event(number, path, data) for number, (path, data) in enumerate(files)]
        async with self.connection.transaction():
            await store(self.connection, events)
        found = await self.connection.fetch(f"select * from {view} order by started_at, exchange_id")
        return [dict(row) for row in found]

    async def talk(self, *files: File) -> list[Row]:
        return sorted((row["prompt"], "".join(row["answer"].split())) for row in await self.rows(*files))


@pytest.fixture
async def archive(database: str) -> Any:
    connection = await asyncpg.connect(database)
    yield Archive(connection)
    await connection.close()


words = st.sampled_from(["go on", "yes", "why", "fix it", "go  on"])
talks = st.lists(st.tuples(words, st.sampled_from(["Done.", "Done. All of it.", "No."])), min_size=1, max_size=4)
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def expected(talk: Talk) -> list[Row]:
    return sorted((said, "".join(answered.split())) for said, answered in talk)


@pytest.mark.parametrize("family", list(FAMILIES))
async def test_strangers_never_merge_whatever_they_say_and_whenever(archive: Archive, family: str) -> None:
    loop = asyncio.get_running_loop()

    @quick
    @given(talks, talks)
    def check(mine: Talk, yours: Talk) -> None:
        files = FAMILIES[family]("s-one", mine), FAMILIES[family]("s-two", yours)
        asyncio.run_coroutine_threadsafe(same(files, expected(mine + yours)), loop).result(60)

    async def same(files: Sequence[File], wanted: list[Row]) -> None:
        assert await archive.talk(*files) == wanted

    await asyncio.to_thread(check)


MUTATIONS = {one.__name__: one for one in (replayed, compressed, cut, restamped)}


@pytest.mark.parametrize("mutation", list(MUTATIONS))
@pytest.mark.parametrize("family", list(FAMILIES))
async def test_a_copy_of_a_session_doubles_nothing_and_the_first_time_stands(
    archive: Archive, family: str, mutation: str
) -> None:
    talk = [("go on", "Done."), ("why", "So."), ("go on", "Done again.")]
    file = FAMILIES[family]("s-one", talk)
    alone = await archive.rows(file)
    both = await archive.rows(*MUTATIONS[mutation](file))
    assert [(row["prompt"], row["answer"]) for row in alone] == talk
    assert [(row["prompt"], row["answer"], row["started_at"]) for row in both] == [
        (row["prompt"], row["answer"], row["started_at"]) for row in alone
    ]


async def test_a_fork_of_a_fork_has_each_exchange_once_with_its_first_time(archive: Archive) -> None:
    talk = [("one", "Answer 1."), ("two", "Answer 2.")]
    parent = codex("s-a", talk)
    fork = codex_fork("s-b", "s-a", [*talk, ("three", "Answer 3.")], 5000)
    deeper = codex_fork("s-c", "s-b", [*talk, ("three", "Answer 3."), ("four", "Answer 4.")], 9000)
    for files in ([parent, fork, deeper], [deeper, fork, parent], [fork, deeper]):
        rows = await archive.rows(*files)
        assert [row["prompt"] for row in rows] == ["one", "two", "three", "four"]
    rows = await archive.rows(parent, fork, deeper)
    assert [row["started_at"].isoformat()[11:19] for row in rows[:2]] == ["00:00:01", "00:00:02"]


async def test_the_same_prompt_asked_again_in_a_fork_is_another_exchange_if_the_answer_is(archive: Archive) -> None:
    parent = codex("s-a", [("one", "Answer 1."), ("go on", "I did this.")])
    fork = codex_fork("s-b", "s-a", [("one", "Answer 1."), ("go on", "I did that.")], 5000)
    assert [row["answer"] for row in await archive.rows(parent, fork)] == ["Answer 1.", "I did this.", "I did that."]


async def test_a_fork_of_pi_keeps_the_ids_of_its_branch(archive: Archive) -> None:
    talk = [("one", "Answer 1."), ("two", "Answer 2.")]
    fork = pi("s-b", [*talk, ("three", "Answer 3.")], 5000, parent="/x/2026-08-01T10-00-00_s-a.jsonl")
    assert [row["prompt"] for row in await archive.rows(pi("s-a", talk), fork)] == ["one", "two", "three"]


async def test_forks_of_claude_code_keep_ids_or_name_them(archive: Archive) -> None:
    talk = [("one", "Answer 1."), ("two", "Answer 2.")]
    same_ids = claude("s-b", [*talk, ("three", "Answer 3.")], 100, ids="s-a")
    assert [row["prompt"] for row in await archive.rows(claude("s-a", talk), same_ids)] == ["one", "two", "three"]
    path, data = claude("s-b", talk, 100)
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        line["forkedFrom"] = {"sessionId": "s-a", "messageUuid": line["uuid"].replace("s-b", "s-a")}
    assert [row["prompt"] for row in await archive.rows(claude("s-a", talk), (path, jsonl(*lines)))] == ["one", "two"]
    for line in lines:
        del line["forkedFrom"]["messageUuid"]  # new ids, and only the parent is named
    assert [row["prompt"] for row in await archive.rows(claude("s-a", talk), (path, jsonl(*lines)))] == ["one", "two"]


async def test_a_text_that_is_split_into_blocks_is_the_same_exchange(archive: Archive) -> None:
    path, data = claude("s-a", [("one\ntwo", "three\nfour")])
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        content = line["message"]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        line["message"]["content"] = [{"type": "text", "text": part} for part in text.split("\n")]
    for files in ([(path, data)], [(path, jsonl(*lines))], [(path, data), ("b/" + path, jsonl(*lines))]):
        (row,) = await archive.rows(*files)
        assert (row["prompt"], row["answer"]) == ("one\ntwo", "three\nfour")


async def test_what_no_person_began_is_an_exchange_and_no_conversation(archive: Archive) -> None:
    task = prompt("<teammate-message teammate_id='lead'>check</teammate-message>", "t1")
    team = "-p/s-team.jsonl", jsonl(task, answer("The totals are off."))
    agent = "-p/s-main/subagents/agent-1.jsonl", jsonl(prompt("look", "g1", isSidechain=True), answer("Found it."))
    orphan = "-p/s-orphan.jsonl", jsonl(answer("Going on."), prompt("stop", "p1"), answer("Stopped."))
    rows = await archive.rows(team, agent, orphan, view="exchanges")
    found = {row["answer"]: (row["kind"], row["by_person"]) for row in rows}
    assert found == {"The totals are off.": ("task", False), "Found it.": ("agent", False),
                     "Going on.": ("continued", False), "Stopped.": ("prompt", True)}  # fmt: skip
    assert [row["prompt"] for row in await archive.rows(team, agent, orphan)] == ["stop"]


async def test_a_history_that_is_written_again_into_its_own_file_is_there_once(archive: Archive) -> None:
    talk = [("one", "Answer 1."), ("two", "Answer 2.")]
    for make in (claude, codex, pi):
        path, data = make("s-a", talk)
        assert await archive.talk((path, data + data)) == expected(talk)


OF_CORPUS = {**MUTATIONS, "split": split, "forked": forked}
SOURCES = (*FAMILIES, "copilot", "qwen")


def corpus() -> list[Any]:
    folder = os.environ.get("MNEMO_TEST_CORPUS", "")
    most = int(os.environ.get("MNEMO_TEST_CORPUS_FILES", "40"))
    files = [f for name in SOURCES for f in Path(folder, name).rglob("*.json*") if folder]
    random.Random(7).shuffle(files)
    return [pytest.param(file, id=f"{file.parent.name[:20]}/{file.name[:20]}") for file in files[:most]]


@pytest.mark.long
async def test_the_set_of_exchanges_is_the_same_whatever_is_done_to_a_file_of_the_corpus(archive: Archive) -> None:
    wrong = []
    for parameter in corpus():
        file: Path = parameter.values[0]
        source = next(part for part in file.parts if part in SOURCES)
        path = file.name if source != "claude" else "/".join(file.parts[file.parts.index("claude") + 2 :])
        alone = await archive.talk((path, file.read_bytes()))
        for name, mutation in OF_CORPUS.items():
            if name == "forked" and source != "claude":
                continue
            both = await archive.talk(*mutation((path, file.read_bytes())))
            if squeezed(both) != squeezed(alone):
                wrong.append((name, str(file), len(alone), len(both)))
    assert wrong == [], "\n".join(map(str, wrong))


def squeezed(rows: list[Row]) -> list[Row]:
    return sorted(("".join(words.split()), said) for words, said in rows)


def test_the_helper_reads_as_the_watcher_does() -> None:
    path, data = codex("s-a", [("one", "Answer 1.")])
    first = event(0, path, data)
    assert [record.text for record in first.records] == ["one", "Answer 1."]
    packed = event(0, f"{path}.zst", zstandard.compress(data))
    assert msgspec.to_builtins(packed.records) == msgspec.to_builtins(copy.deepcopy(first.records))
