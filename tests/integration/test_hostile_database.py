"""What a hostile, or only unlucky, disk holds: it costs its own records at most, never its bytes or other files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive.copies import Archive
from mnemostream.archive.proof.verify import Scope, verify
from mnemostream.archive.retention import guards
from mnemostream.contracts import codec
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Kind
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus, Message
from mnemostream.services.watcher.files import active
from tests.conftest import jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.capturing import close, watcher
from tests.integration.conftest import Fill, captured, replayed
from tests.integration.hostile import STOP, events
from tests.integration.proving import write


async def test_a_file_with_unread_bytes_keeps_its_handle_however_many_others_are_read(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active, "MOST", 2)
    big = transcripts / "big.jsonl"
    write(big, "big", 200)
    size = big.stat().st_size
    others = [transcripts / f"{number}.jsonl" for number in range(8)]

    class Log(MemoryLog):
        async def publish_all(self, messages: Any) -> None:
            if big.exists():
                for other in others:
                    write(other, other.stem, 1)
                capture.hints.add(map(str, others))
                big.unlink()
            await super().publish_all(messages)

    capture = watcher(transcripts, Log(), segment_bytes=500)
    await capture.sweep(STOP())
    assert max(event.end for event in events(capture) if event.path == "big.jsonl") == size
    close(capture)


async def test_every_word_on_a_line_is_a_record_of_its_own(transcripts: Path) -> None:
    no = "The user doesn't want to proceed. To tell you how to proceed, the user said:\n"
    results = [
        {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": no + "first"},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True, "content": no + "second"},
        {"type": "text", "text": "third"},
    ]
    line = {**prompt("", "u"), "message": {"role": "user", "content": results}}
    (transcripts / "s.jsonl").write_bytes(jsonl(line))
    capture = watcher(transcripts)
    await capture.sweep(STOP())
    records = [record for event in events(capture) for record in event.records]
    assert {r.text for r in records if r.kind is Kind.COMMENT} == {"first", "second", "third"}
    assert len({(r.id, r.block) for r in records}) == len(records)
    close(capture)


async def test_unknown_types_without_end_do_not_fill_the_heartbeat(transcripts: Path) -> None:
    (transcripts / "s.jsonl").write_bytes(b"".join(b'{"type":"t%d"}\n' % number for number in range(5000)))
    capture = watcher(transcripts)
    await capture.sweep(STOP())
    assert capture.beat.vitals.unknown_lines == 5000
    assert len(capture.beat.vitals.lines) < 120
    close(capture)


async def test_verify_is_not_green_where_something_is_missing(
    transcripts: Path, fill: Fill, kept: Archive, operator: Bus, nats: Nats, database: str
) -> None:
    def everything(root: Path, source: str = "claude-code") -> Scope:
        return Scope([Root(str(root), source)], True)

    for name in ("gone", "lost", "old", "here"):
        write(transcripts / f"{name}.jsonl", name)
    await fill()
    write(transcripts / "old.jsonl", "new", 3)
    await captured(operator, transcripts)
    await replayed(nats, database)
    for name in ("gone", "lost"):
        (transcripts / f"{name}.jsonl").unlink()
    assert (await verify(kept, everything(transcripts), lambda *_: None)).equal
    rows = {row.path.removesuffix(".jsonl"): row.transcript_id for row in await kept.transcripts()}
    await kept.database.execute("delete from records where transcript_id = $1", rows["gone"])
    for table in ("segments", "records", "transcripts"):
        await kept.database.execute(f"delete from {table} where transcript_id = $1", rows["lost"])
    await kept.database.execute(
        "delete from segments where transcript_id = $1 and generation = 0 and start_offset > 0", rows["old"]
    )
    report = await verify(kept, everything(transcripts), lambda *_: None)
    wrong = {(Path(gap.file.split(" (")[0]).stem, gap.copy) for gap in report.gaps}
    assert wrong == {("gone", "records"), ("lost", "database"), ("lost", "records"), ("old", "database")}
    missing = await verify(kept, everything(transcripts / "nowhere"), lambda *_: None)
    assert [gap.kind for gap in missing.gaps if gap.copy == "file"] == ["cannot be listed"]
    chats = transcripts.parent / "g" / "a" / "chats"
    chats.mkdir(parents=True)
    (chats / "s.json").write_text('{"sessionId": "x", "projectHash": "0", "messages": []}')
    (chats / "package.json").write_text('{"name": "no transcript"}')
    unread = await verify(kept, Scope([Root(str(transcripts.parent / "g"))]), lambda *_: None)
    assert ([Path(gap.file).name for gap in unread.gaps], unread.ignored) == (["s.json"], 1)


async def test_the_guard_knows_a_folder_watched_through_its_parent_and_a_rewrite_of_the_same_size(
    folder: Path, operator: Bus, kept: Archive, nats: Nats, database: str
) -> None:
    projects = folder / "home" / ".claude" / "projects"
    projects.mkdir(parents=True)
    for name in ("a", "b"):
        write(projects / f"{name}.jsonl", name)
        os.utime(projects / f"{name}.jsonl", (1, 1))
    await captured(operator, folder / "home")
    await replayed(nats, database)
    [found] = await guards(kept.database, {}, folder / "home")
    assert (found.due, found.archived, found.safe) == (2, 2, True)
    write(projects / "b.jsonl", "c")
    stored = await kept.database.fetchval("select extract(epoch from max(captured_at))::float8 from segments")
    os.utime(projects / "b.jsonl", (stored + 10, stored + 10))
    [later] = await guards(kept.database, {}, folder / "home", now=stored + 29 * 86400)
    assert (later.due, later.archived, later.missing) == (2, 1, ["b.jsonl"])


async def test_a_tombstone_and_late_rows_of_another_writer_never_leave_a_rest(
    transcripts: Path, operator: Bus, kept: Archive, database: str
) -> None:
    """Two transactions at once: the one that adds rows waits for the tombstone, or the tombstone for it."""
    import asyncpg

    from mnemostream.archive.copies import decoded
    from mnemostream.contracts import subjects
    from mnemostream.contracts.transcripts import TranscriptForgotten
    from mnemostream.services.writer.database import store

    write(transcripts / "s.jsonl", "s")
    await captured(operator, transcripts)
    found = [event async for message in kept.messages([subjects.CHANGED]) if (event := decoded(message))]
    first: Any = found[0]
    tombstone = TranscriptForgotten(first.transcript, first.source, first.session_id, "2026-08-02T10:00:00.000Z")
    one, two = await asyncpg.connect(database), await asyncpg.connect(database)
    begun = one.transaction()
    await begun.start()
    await store(one, found)

    async def bury() -> None:
        async with two.transaction():
            await store(two, [tombstone])

    burying = asyncio.create_task(bury())
    done, _ = await asyncio.wait({burying}, timeout=0.5)
    assert not done  # it waits for the rows that are being added
    await begun.commit()
    await asyncio.wait_for(burying, 10)
    for table in ("transcripts", "segments", "records"):
        assert await kept.database.fetchval(f"select count(*) from {table}") == 0
    await one.close()
    await two.close()


def test_a_message_of_the_bus_has_a_printable_name() -> None:
    assert codec.printable("a/caf\udce9") == "a/caf%E9"
    assert Message("s", b"", "i").headers == {}
