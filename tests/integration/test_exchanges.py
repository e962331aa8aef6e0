"""Exchanges on a real PostgreSQL: strangers never merge, copies never double, whatever was done to a session.

The table of copies stands in docs/formats.md.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import sources
from contracts.transcripts import TranscriptChanged
from services.watcher.formats import identify
from services.watcher.parsing.units import FileOrigin, parse, units_of, unpacked_units
from services.writer.database import store
from tests.conftest import answer, jsonl, prompt

Talk = list[tuple[str, str]]
"""Prompts and answers."""
File = tuple[str, bytes]
"""Path and content."""
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
        f"t{number}", found.format.name, "h", "/r", path, context.session_id, 0, 0, len(data), b"", "00" * 32,
        "2026-08-01T10:00:00Z", records, {}, context.subagent, 0, found.format.version,
    )  # fmt: skip


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


def moment(second: int) -> str:
    return f"2026-08-{1 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"


def claude(session: str, talk: Talk, start: int = 0, ids: str = "") -> File:
    lines: list[Any] = []
    for number, (words, said) in enumerate(talk):
        at = {"timestamp": moment(start + number * 10)}
        lines += [prompt(words, f"{ids or session}-{number}", sessionId=session, parentUuid=None, **at)]
        lines += [answer(said, name=f"{ids or session}-{number}a", sessionId=session, **at)]
    return f"-p/{session}.jsonl", jsonl(*lines)


def codex(session: str, talk: Talk, start: int = 0, head: Sequence[Any] = ()) -> File:
    meta = {"id": session, "timestamp": moment(start), "cwd": "/x", "source": "cli"}
    lines: list[Any] = [{"timestamp": moment(start), "type": "session_meta", "payload": meta}, *head]
    for number, (words, said) in enumerate(talk):
        at, blocks = moment(start + 1 + number), [{"type": "input_text", "text": words}]
        message = {"type": "message", "role": "user", "content": blocks}
        lines += [
            {"timestamp": at, "type": "response_item", "payload": message},
            {"timestamp": at, "type": "event_msg", "payload": {"type": "user_message", "message": words}},
            {"timestamp": at, "type": "event_msg", "payload": {"type": "agent_message", "message": said}},
        ]
    return f"rollout-{session}.jsonl", jsonl(*lines)


def pi(session: str, talk: Talk, start: int = 0, parent: str = "") -> File:
    header = {"type": "session", "version": 3, "id": session, "timestamp": moment(start), "cwd": "/x"}
    lines: list[Any] = [{**header, **({"parentSession": parent} if parent else {})}]
    for number, (words, said) in enumerate(talk):
        for role, text in (("user", words), ("assistant", said)):
            line = {"type": "message", "id": f"{number:07}{role[0]}", "timestamp": moment(start + number)}
            lines.append({**line, "message": {"role": role, "content": [{"type": "text", "text": text}]}})
    return f"{session}.jsonl", jsonl(*lines)


def gemini(session: str, talk: Talk, start: int = 0, ids: str = "") -> File:
    messages: list[Any] = []
    for number, (words, said) in enumerate(talk):
        for kind, text in (("user", words), ("gemini", said)):
            message: Any = {"timestamp": moment(start + number), "type": kind, "content": text}
            messages.append({**message, "id": f"{ids}-{number}-{kind}"} if ids else message)
    whole = {"sessionId": session, "projectHash": "ab" * 32, "messages": messages}
    return f"p/chats/{session}.json", json.dumps(whole, indent=1).encode()


def opencode(session: str, talk: Talk, start: int = 0) -> File:
    messages = [
        {"info": {"role": role, "time": {"created": 1785578400000 + 1000 * (start + number)}}, "parts": [
            {"type": "text", "text": text}]}
        for number, pair in enumerate(talk) for role, text in zip(("user", "assistant"), pair, strict=True)
    ]  # fmt: skip
    return f"{session}.json", json.dumps({"info": {"id": f"ses_{session}"}, "messages": messages}, indent=1).encode()


FAMILIES = {"claude": claude, "codex": codex, "pi": pi, "gemini": gemini, "opencode": opencode}
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


def replayed(file: File) -> list[File]:
    path, data = file
    return [file, (f"again/{path}", data)]


def compressed(file: File) -> list[File]:
    path, data = file
    return [file, (f"{path}.zst", zstandard.compress(data))]


def cut(file: File) -> list[File]:
    path, data = file
    lines = data.splitlines(keepends=True)
    return [file] if path.endswith(".json") else [(f"cut/{path}", b"".join(lines[: 2 * len(lines) // 3])), file]


def restamped(file: File) -> list[File]:
    """Another time on each line; a document is the newer writing of itself."""
    path, data = file
    return [file, (f"later/{path}", data.replace(b"2026-08-0", b"2026-09-0"))]


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


def codex_fork(session: str, parent: str, talk: Talk, start: int) -> File:
    """As Codex forks: its own head, then its parent's, and the parent's history stamped with the time of the fork."""
    meta = {"id": parent, "timestamp": moment(0), "cwd": "/x", "source": "cli"}
    path, data = codex(session, talk, start, [{"timestamp": moment(start), "type": "session_meta", "payload": meta}])
    return path, data.replace(b'"source":"cli"}', b'"source":"cli","forked_from_id":"' + parent.encode() + b'"}', 1)


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


def test_the_helper_reads_as_the_watcher_does() -> None:
    path, data = codex("s-a", [("one", "Answer 1.")])
    first = event(0, path, data)
    assert [record.text for record in first.records] == ["one", "Answer 1."]
    packed = event(0, f"{path}.zst", zstandard.compress(data))
    assert msgspec.to_builtins(packed.records) == msgspec.to_builtins(copy.deepcopy(first.records))
