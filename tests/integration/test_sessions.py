"""Sessions of an archive: titles, filters, what was said, the folder to go on in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mnemostream.archive import sessions
from mnemostream.archive.copies import Archive
from mnemostream.archive.restore import find
from mnemostream.archive.sessions import Wanted
from tests.conftest import answer, jsonl, prompt
from tests.integration.conftest import Fill


async def test_sessions_are_listed_with_their_own_titles(transcripts: Path, fill: Fill, kept: Archive) -> None:
    (transcripts / "a.jsonl").write_bytes(
        jsonl(
            prompt("why is it red?\nsecond line", "p1", cwd="/home/dana/tidepool", timestamp="2026-01-02T10:00:00Z"),
            answer("since\nyesterday", name="a1"),
            {"type": "ai-title", "aiTitle": "Mend the build", "sessionId": "a"},
            {"type": "summary", "summary": "Of another session", "leafUuid": "nowhere"},
        )
    )
    (transcripts / "b.jsonl").write_bytes(
        jsonl(
            prompt("hello " * 40, "p2", cwd="/home/dana/other", timestamp="2026-02-02T10:00:00Z"),
            answer("b", name="a2"),
            {"type": "summary", "summary": "Greetings", "leafUuid": "a2"},
            {"type": "custom-title", "customTitle": "By hand", "sessionId": "b"},
            {"type": "ai-title", "aiTitle": "By the program", "sessionId": "b"},
        )
    )
    (transcripts / "c.jsonl").write_bytes(
        jsonl(prompt("no title here", "p3", cwd="/home/dana/other", timestamp="2026-03-02T10:00:00Z"))
    )
    await fill()

    async def titles(**wanted: object) -> list[str]:
        return [found.title for found in (await sessions.sessions(kept.database, Wanted(**wanted))).sessions]  # type: ignore[arg-type]

    assert await titles() == ["no title here", "By hand", "Mend the build"]
    assert await titles(project="TIDE") == ["Mend the build"]
    assert await titles(assistant="codex") == []
    assert await titles(since=datetime(2026, 2, 1, tzinfo=UTC)) == ["no title here", "By hand"]
    assert await titles(until=datetime(2026, 2, 1, tzinfo=UTC)) == ["Mend the build"]
    assert await titles(limit=1) == ["no title here"]
    [_, found, _] = (await sessions.sessions(kept.database, Wanted())).sessions
    assert (found.session_id, found.exchanges, found.project) == ("b", 1, "/home/dana/other")
    assert found.file == str(transcripts / "b.jsonl")


async def test_a_session_is_read_with_what_its_tools_did(transcripts: Path, fill: Fill, kept: Archive) -> None:
    output = "".join(f"line {number}\n" for number in range(3000))
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "seq 3000", "why": "x" * 1000}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": output}
    lines = [
        prompt("count", "p1", cwd="/home/dana/tidepool"),
        {**answer("", name="a1"), "message": {"role": "assistant", "content": [call]}},
        {"type": "user", "uuid": "r1", "message": {"role": "user", "content": [result]}},
        answer("done", name="a2"),
    ]
    (transcripts / "s.jsonl").write_bytes(jsonl(*lines))
    await fill()
    [row] = await find(kept, "s")
    entries = await sessions.entries(kept.database, [row])
    assert [(entry.kind, entry.text) for entry in entries if entry.kind != "tool_call"] == [
        ("prompt", "count"),
        ("tool_result", output),
        ("answer", "done"),
    ]
    [tool] = [entry for entry in entries if entry.kind == "tool_call"]
    assert "x" * 1000 in tool.tool_input
    assert await sessions.folder(kept.database, row) == "/home/dana/tidepool"


async def test_queued_words_are_read_where_they_became_no_prompt(transcripts: Path, fill: Fill, kept: Archive) -> None:
    queued = [
        {"type": "queue-operation", "operation": "enqueue", "content": text} for text in ("then stop", "and more")
    ]
    lines = [
        prompt("first", "p1"),
        answer("working", name="a1"),
        *queued,
        answer("done", name="a2"),
        prompt("and more", "p2"),
    ]
    (transcripts / "s.jsonl").write_bytes(jsonl(*lines))
    await fill()
    said = [entry.text for entry in await sessions.entries(kept.database, [(await find(kept, "s"))[0]])]
    assert said == ["first", "working", "then stop", "done", "and more"]
    page = await sessions.page(kept.database, "s", 10, 0)
    assert page is not None
    assert [entry.text for entry in page.entries] == said
    last = await sessions.page(kept.database, "s", 3, 0, "p2")
    assert last is not None
    assert ([entry.position for entry in last.entries], last.before, last.next) == ([4], "1", None)


async def test_a_session_is_read_with_its_sub_agents(transcripts: Path, fill: Fill, kept: Archive) -> None:
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("ask", "p1"), answer("delegated", name="a1")))
    agents = transcripts / "s" / "subagents"
    agents.mkdir(parents=True)
    inner = {"isSidechain": True, "sessionId": "s", "agentId": "one"}
    (agents / "agent-one.jsonl").write_bytes(
        jsonl({**prompt("look", "x1"), **inner}, {**answer("seen", name="x2"), **inner})
    )
    await fill()
    page = await sessions.page(kept.database, "s", 10, 0)
    assert page is not None
    assert [entry.text for entry in page.entries] == ["ask", "delegated", "look", "seen"]
    assert len({entry.transcript_id for entry in page.entries}) == 2
    around = await sessions.around_exchange(kept.database, "s", "p1", 1)
    assert [entry.text for entry in around][:2] == ["ask", "delegated"]
    rows = await find(kept, "s")
    assert [
        entry.text for entry in await sessions.entries(kept.database, await sessions.files(kept.database, rows))
    ] == [
        "ask",
        "delegated",
        "look",
        "seen",
    ]
