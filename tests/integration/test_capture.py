"""Capture against a real log: back-pressure, projects, what goes away, what notification misses."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts import topology
from mnemostream.runtime import tasks as waiting
from mnemostream.runtime.bus import Bus
from tests.conftest import eventually, jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.capturing import Stopwatch, close, watcher
from tests.integration.proving import write


async def test_a_full_log_pauses_capture_says_so_and_nothing_is_lost(
    transcripts: Path, operator: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BACKOFF", (0.05,))
    config = (await operator.stream.stream_info(topology.TRANSCRIPTS.name)).config
    config.max_bytes = 60_000
    await operator.stream.update_stream(config)
    for number in range(40):
        (transcripts / f"{number}.jsonl").write_bytes(jsonl(prompt(os.urandom(1500).hex())))
    capture = watcher(transcripts, operator)
    sweep = asyncio.create_task(capture.sweep(asyncio.Event()))

    async def paused() -> None:
        assert "full" in capture.beat.vitals.paused
        assert "maximum bytes" in capture.beat.last_error
        assert not sweep.done()

    await eventually(paused, 20)
    assert capture.beat.consecutive_failures
    config.max_bytes = 100_000_000
    await operator.stream.update_stream(config)
    await asyncio.wait_for(sweep, 30)
    assert not capture.beat.vitals.paused
    total = sum(file.stat().st_size for file in transcripts.iterdir())
    assert capture.beat.vitals.published_bytes == capture.beat.vitals.discovered_bytes == total
    close(capture)


async def test_a_disk_that_hangs_is_no_rest(transcripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while listing nor while reading is the loop blocked, and the beat tells that nobody looks."""
    write(transcripts / "0.jsonl", "a question")
    clock, hangs, held = Stopwatch(), threading.Event(), threading.Event()
    capture = watcher(transcripts)
    capture.clock = capture.beat.clock = clock
    capture.beat.polled()
    await capture.sweep(asyncio.Event())
    await capture.touch()
    for name in ("scandir", "open"):
        with monkeypatch.context() as patched:
            real = getattr(os, name)

            def hung(*args: Any, _real: Any = real, **more: Any) -> Any:
                held.set()
                hangs.wait(60)
                return _real(*args, **more)

            held.clear(), hangs.clear()
            write(transcripts / f"{name}.jsonl", "a question")
            patched.setattr(os, name, hung)
            sweep = asyncio.create_task(capture.sweep(asyncio.Event()))
            await asyncio.wait_for(asyncio.to_thread(held.wait), 20)
            last = capture.beat.last_poll
            clock.ahead += 40
            assert capture.beat.unpolled_seconds() >= 40
            assert capture.beat.event().last_poll == last
            hangs.set()
            await asyncio.wait_for(sweep, 20)
            assert capture.beat.unpolled_seconds() < 20
            assert capture.beat.last_poll > last
    close(capture)


async def test_a_folder_that_cannot_be_listed_is_told(transcripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (transcripts / "-p").mkdir()
    write(transcripts / "-p" / "0.jsonl", "a question")
    capture, real = watcher(transcripts), os.scandir

    def refused(folder: Any) -> Any:
        if str(folder).endswith("-p"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    def gone(path: Any, *args: Any, **more: Any) -> Any:
        if str(path) == str(transcripts):
            raise OSError(116, "Stale file handle")
        return stat(path, *args, **more)

    stat = os.stat

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refused)
        await capture.sweep(asyncio.Event())
    assert capture.beat.vitals.unlistable_folders == 1
    assert "-p: Permission denied" in capture.beat.vitals.unreadable
    await capture.sweep(asyncio.Event())
    assert capture.beat.vitals.unlistable_folders == 0
    assert not capture.beat.vitals.unreadable
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", gone)
        patched.setattr(os, "scandir", lambda folder: gone(folder) and real(folder))
        await capture.sweep(asyncio.Event())
    assert capture.beat.vitals.unlistable_folders == 1  # a mount that is dead is no folder that was never there
    transcripts.rename(transcripts.parent / "elsewhere")
    await capture.sweep(asyncio.Event())
    assert capture.beat.vitals.unlistable_folders == 0
    close(capture)


async def test_a_slow_disk_is_no_disk_that_hangs(transcripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder that was listed is a sign of life, whatever is in it."""
    for number in range(40):
        (transcripts / f"folder-{number}").mkdir()
    clock, real, longest = Stopwatch(), os.scandir, [0.0]
    capture = watcher(transcripts)
    capture.clock = capture.beat.clock = clock
    capture.beat.polled()

    def slow(folder: Any) -> Any:
        clock.ahead += 5
        longest.append(capture.beat.unpolled_seconds())
        return real(folder)

    monkeypatch.setattr(os, "scandir", slow)
    await capture.sweep(asyncio.Event())
    assert len(longest) > 40
    assert max(longest) < 15
    close(capture)


async def test_the_live_session_never_waits_behind_the_backlog(transcripts: Path) -> None:
    for number in range(30):
        write(transcripts / f"{number}.jsonl", str(number))
        os.utime(transcripts / f"{number}.jsonl", (number, number))
    big = transcripts / "0.jsonl"
    big.write_bytes(jsonl(prompt("x" * 1000)) * 400)
    os.utime(big, (100, 100))
    live = transcripts / "live.jsonl"
    order: list[str] = []

    class Log(MemoryLog):
        async def publish_all(self, messages: Any) -> None:
            if not self.messages:  # the first batch of the backlog is on its way: now the human types
                write(live, "live")
                capture.hints.add([str(live)])
            order.extend(message.headers["Mnemo-Checkpoint"][:40] for message in messages)
            await super().publish_all(messages)

    capture = watcher(transcripts, Log(), segment_bytes=4096)
    await capture.sweep(asyncio.Event())
    paths = [event.path for event in capture.bus.events()]  # type: ignore[attr-defined]
    assert paths[0] == "0.jsonl"  # newest first
    assert paths.index("live.jsonl") < paths.index("29.jsonl")
    assert paths.index("live.jsonl") < len(paths) - 1 - paths[::-1].index("0.jsonl")  # even inside one large file
    assert [path for path in dict.fromkeys(paths) if path not in ("live.jsonl", "0.jsonl")] == [
        f"{number}.jsonl" for number in range(29, 0, -1)
    ]
    close(capture)


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        ((), (), {"work", "secret", "gemini"}),
        ((), ("/home/dana/secret",), {"work", "gemini"}),
        ((), ("/home/dana/*",), set()),
        (("/home/dana/work",), (), {"work", "gemini"}),  # Gemini CLI writes a hash of the folder
        (("/home/dana/gem",), (), {"gemini"}),
        (("*/*.jsonl",), ("-home-dana-s*/*",), {"work", "gemini"}),
    ],
)
async def test_projects_are_included_and_excluded_by_glob(
    folder: Path, include: tuple[str, ...], exclude: tuple[str, ...], wanted: set[str]
) -> None:
    for name in ("work", "secret"):
        (folder / f"-home-dana-{name}").mkdir()
        (folder / f"-home-dana-{name}" / f"{name}.jsonl").write_bytes(jsonl(prompt("x", cwd=f"/home/dana/{name}/deep")))
    (folder / "g").mkdir()
    hashed = hashlib.sha256(b"/home/dana/work").hexdigest()
    meta = {"sessionId": "g", "projectHash": hashed, "cwd": "/home/dana/gem"}
    (folder / "g" / "gemini.jsonl").write_bytes(jsonl(meta, {"id": "1", "type": "user", "content": "x"}))
    capture = watcher(folder, include=include, exclude=exclude)
    await capture.sweep(asyncio.Event())
    found = {event.session_id for event in capture.bus.events()}  # type: ignore[attr-defined]
    assert found == wanted
    assert capture.beat.vitals.ignored_files == 3 - len(wanted)
    close(capture)
