"""What a hostile, or only unlucky, disk holds: it costs its own records at most, never its bytes or other files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive.copies import Archive
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.errors import Permanent
from mnemostream.services.watcher import capture as capturing
from mnemostream.services.watcher.formats import identify
from tests.conftest import jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.capturing import Later, close, watcher
from tests.integration.conftest import Fill, replayed
from tests.integration.hostile import HUGE, STOP, events
from tests.integration.proving import proof, write


async def test_a_name_that_is_no_utf_8_is_captured_beside_others(transcripts: Path, fill: Fill, kept: Archive) -> None:
    odd = os.path.join(os.fsencode(transcripts), b"caf\xe9.jsonl")
    Path(os.fsdecode(odd)).write_bytes(jsonl(prompt("odd")))
    write(transcripts / "good.jsonl", "good")
    await fill()
    assert {row.path for row in await kept.transcripts()} == {"caf%E9.jsonl", "good.jsonl"}
    assert (await proof(kept, transcripts)).equal
    Path(os.fsdecode(odd)).write_bytes(jsonl(prompt("odd")) + b"more\n")
    os.utime(odd, (1, 1))
    gaps = (await proof(kept, transcripts)).gaps
    assert {Path(gap.file).name for gap in gaps} == {"caf%E9.jsonl"}


async def test_a_pipe_or_a_folder_with_a_transcripts_name_stops_nothing(transcripts: Path) -> None:
    os.mkfifo(transcripts / "pipe.jsonl")
    (transcripts / "folder.jsonl").mkdir()
    write(transcripts / "good.jsonl", "good")
    capture = watcher(transcripts)
    capture.hints.add(str(transcripts / name) for name in ("pipe.jsonl", "folder.jsonl", "nothing.jsonl", "good.jsonl"))
    await asyncio.wait_for(capture.drain_hot(STOP()), 10)
    assert {event.path for event in events(capture)} == {"good.jsonl"}
    assert [known.path for known in capture.registry] == ["good.jsonl"]
    (transcripts / "good.jsonl").unlink()
    os.mkfifo(transcripts / "good.jsonl")
    await asyncio.wait_for(capture.sweep(STOP()), 10)
    assert not capture.unreadable
    close(capture)


async def test_what_cannot_be_read_is_tried_again_without_haste_and_forgotten_when_gone(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("x")) + b"torn")
    capture = watcher(transcripts)
    capture.resting.settle_seconds = 60.0
    await capture.sweep(STOP())
    assert capture.resting

    def broken(*args: Any, **more: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(capturing, "read_next", broken)
    capture.clock = capture.resting.clock = Later()
    await capture.rest(STOP())
    assert await capture.rest(STOP()) == float("inf")
    capture.report(now=True)
    assert capture.beat.vitals.unreadable_files == 1
    close(capture)
    (transcripts / "s.jsonl").unlink()
    await capture.sweep(STOP())
    assert capture.beat.vitals.unreadable_files == 0


async def test_hostile_fields_cost_no_bytes_and_no_other_records(
    transcripts: Path, fill: Fill, kept: Archive, nats: Nats, database: str
) -> None:
    write(transcripts / "innocent.jsonl", "innocent")
    os.utime(transcripts / "innocent.jsonl", (1, 1))
    for number, line in enumerate(HUGE):
        (transcripts / f"{number}.jsonl").write_bytes(jsonl(line, prompt(f"after {number}", f"after-{number}")) * 3)
    await fill(segment=100_000)
    report = await proof(kept, transcripts)
    assert report.equal, report.gaps[:5]
    found = {row[0] for row in await kept.database.fetch("select record_id from records")}
    assert found >= {f"after-{number}" for number in range(len(HUGE))} | {"innocent-0", "a\ufffdb"}
    assert all(len(name) <= 200 for name in found)
    assert all(table.equal for table in (await replayed(nats, database)).tables)


async def test_a_segment_that_the_log_refuses_goes_without_its_records(transcripts: Path) -> None:
    class Log(MemoryLog):
        async def publish_all(self, messages: Any) -> None:
            if any(len(message.payload) > 3000 for message in messages):
                raise Permanent("message exceeds the server's max_payload")
            await super().publish_all(messages)

    (transcripts / "large.jsonl").write_bytes(jsonl(prompt("y" * 5000)))
    write(transcripts / "s.jsonl", "s", 1)
    capture = watcher(transcripts, Log())
    await capture.sweep(STOP())
    found = {event.path: event for event in events(capture)}
    assert (found["large.jsonl"].records, found["large.jsonl"].counts) == ([], {"damaged:records_refused": 1})
    assert found["s.jsonl"].records
    close(capture)


async def test_a_session_that_is_forgotten_at_rest_or_while_it_is_read_is_not_read_again(transcripts: Path) -> None:
    file = transcripts / "s.jsonl"
    write(file, "s", 60)
    log = MemoryLog()
    capture = watcher(transcripts, log)
    await capture.sweep(STOP())
    close(capture)
    name = events(capture)[0].transcript
    before = len(log.messages)
    again = watcher(transcripts, log)
    again.positions = log.positions()
    await again.sweep(STOP())
    again.forget(name)
    with file.open("ab") as handle:
        handle.write(jsonl(prompt("SECRET")))
    await again.sweep(STOP())
    assert len(log.messages) == before
    close(again)

    class Forgets(MemoryLog):
        async def publish_all(self, messages: Any) -> None:
            reader.forget(name)
            await super().publish_all(messages)

    reader = watcher(transcripts, Forgets(), segment_bytes=100)
    await reader.sweep(STOP())
    assert 0 < len(reader.bus.events()) < 200  # type: ignore[attr-defined]
    count = len(events(reader))
    with file.open("ab") as handle:
        handle.write(jsonl(prompt("SECRET")))
    await reader.sweep(STOP())
    assert len(events(reader)) == count
    close(reader)


@pytest.mark.parametrize("source", ["auto", "gemini", "codex"])
def test_a_first_line_that_is_being_written_decides_nothing(source: str) -> None:
    torn = b'{"sessionId":"g-1","projectHash":"0","startTime":"2026'
    assert identify("a/chats/s.jsonl", torn, source, complete=True, rested=False) is None
    rested = identify("a/chats/s.jsonl", torn, source, complete=True, rested=True)
    assert rested is not None


async def test_an_excluded_project_is_excluded_even_if_its_first_line_comes_in_pieces(transcripts: Path) -> None:
    file = transcripts / "rollout-1.jsonl"
    capture = watcher(transcripts, exclude=("/secret",))
    capture.resting.settle_seconds = 60.0
    line = b'{"timestamp":"2026","type":"session_meta","payload":{"id":"x","cwd":"/secret"}}\n'
    file.write_bytes(line[:30])
    await capture.sweep(STOP())
    file.write_bytes(line)
    await capture.sweep(STOP())
    assert events(capture) == []
    close(capture)
