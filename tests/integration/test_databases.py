"""Databases below a watched folder: found, captured as row logs, forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mnemostream.contracts import codec
from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Kind, TranscriptChanged
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.rows.watch import Databases
from mnemostream.services.watcher.settings import Settings
from tests.conftest import eventually
from tests.doubles import MemoryLog
from tests.integration.capturing import close
from tests.integration.test_rows import Owner, part
from tests.sources.databases import DATABASES
from tests.sources.samples import QUESTIONS, build


def watching(folder: Path, rows: Path, log: Any) -> tuple[Capture, Databases]:
    settings = Settings(host="laptop", settle_seconds=0.0, roots=(str(folder),), rows_folder=str(rows))
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    capture = Capture(log, settings, [Root(str(folder))], Positions(), beat)
    return capture, Databases(capture, settings)


def segments(log: MemoryLog) -> list[TranscriptChanged]:
    events = [codec.decode(message.payload) for message in log.messages]
    return [event for event in events if isinstance(event, TranscriptChanged)]


async def test_a_database_is_found_captured_and_its_changes_follow(tmp_path: Path) -> None:
    folder, log, stop = tmp_path / "live", MemoryLog(), asyncio.Event()
    file = folder / "opencode.db"
    build(file, DATABASES["opencode"]())
    (folder / "foreign.db").write_bytes(b"no database at all")
    capture, databases = watching(folder, tmp_path / "rows", log)
    await databases.sweep(stop)
    await capture.sweep(stop)
    found = segments(log)
    prompts = [r.text for event in found for r in event.records if r.kind is Kind.PROMPT]
    assert prompts == list(QUESTIONS)
    assert {(event.source, event.root) for event in found} == {("opencode", str(file))}
    assert {event.session_id for event in found} >= {"ses_1"}
    vitals = capture.beat.vitals
    assert isinstance(vitals, WatcherVitals)
    assert vitals.left_out_tables == {"account": 1}  # tokens are left out, and counted
    assert vitals.left_out_rows == 1
    assert vitals.uncaptured == {"unknown ending": 1}  # the foreign one; the captured one is none of them
    hints = asyncio.create_task(databases.watch(stop))
    owner = Owner(file)
    before = len(log.messages)

    async def seen() -> None:
        await databases.due(stop)
        await capture.drain_hot(stop)
        assert len(log.messages) > before

    owner.run(part(1, "written while it was watched"))
    databases.hint([f"{file}-wal"])
    await eventually(seen)
    assert any("while it was watched" in r.text for event in segments(log)[-1:] for r in event.records)
    owner.leave()
    stop.set()
    await hints
    databases.close()
    close(capture)


async def test_a_session_that_is_forgotten_leaves_nothing_in_our_folder(tmp_path: Path) -> None:
    folder, log, stop = tmp_path / "live", MemoryLog(), asyncio.Event()
    file = folder / "opencode.db"
    build(file, DATABASES["opencode"]())
    capture, databases = watching(folder, tmp_path / "rows", log)
    await databases.sweep(stop)
    await capture.sweep(stop)
    (name,) = {event.transcript for event in segments(log) if event.session_id == "ses_1"}
    capture.forget(name)
    await capture.sweep(stop)
    owner = Owner(file)
    owner.run(part(1, "after it was forgotten"))
    await databases.sweep(stop)
    await capture.sweep(stop)
    owner.leave()
    left = b"".join(one.read_bytes() for one in (tmp_path / "rows").glob("*/ses_1*"))
    assert left == b""
    assert not any(b"after it was forgotten" in one.read_bytes() for one in (tmp_path / "rows").glob("*/*.jsonl"))
    databases.close()
    close(capture)
