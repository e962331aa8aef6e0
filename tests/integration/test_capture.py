"""Capture against a real log: back-pressure, projects, what goes away, what notification misses."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from archive.copies import Archive
from contracts import topology
from contracts.events import Stage
from contracts.sources import Root
from runtime import tasks as waiting
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.files import stat_of
from runtime.heartbeat import Beat
from services.watcher import main as watching
from services.watcher.capture import Capture
from services.watcher.catalog import Positions
from services.watcher.files import active, reading
from services.watcher.settings import Settings
from tests.conftest import eventually, jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.conftest import captured
from tests.integration.test_proof import write


def watcher(root: Path, log: Any = None, **more: Any) -> Capture:
    """A watcher on one folder."""
    settings = Settings(host="laptop", settle_seconds=0.0, **more)
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    return Capture(log or MemoryLog(), settings, [Root(str(root), "claude-code")], Positions(), beat)


def close(capture: Capture) -> None:
    for known in capture.registry:
        known.release()


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


class Stopwatch(SystemClock):
    """Moved by the test."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


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


async def test_a_file_deleted_before_its_end_was_read_is_read_to_its_end(transcripts: Path) -> None:
    file = transcripts / "s.jsonl"
    file.write_bytes(jsonl(prompt("one")))
    capture = watcher(transcripts)
    await capture.sweep(asyncio.Event())
    with file.open("ab") as handle:
        handle.write(jsonl(prompt("two")) + b"torn")
    data = file.read_bytes()
    file.unlink()
    await capture.sweep(asyncio.Event())
    events = capture.bus.events()  # type: ignore[attr-defined]
    assert (events[-1].end, {event.generation for event in events}) == (len(data), {0})
    assert events[-1].sha256 == hashlib.sha256(data).hexdigest()
    close(capture)


async def test_two_changes_within_one_tick_of_the_file_systems_clock_are_told_apart_at_rest(transcripts: Path) -> None:
    file = transcripts / "s.jsonl"
    file.write_bytes(jsonl(prompt("one", "u")))
    capture = watcher(transcripts)
    await capture.sweep(asyncio.Event())
    file.write_bytes(jsonl(prompt("two", "u")))
    known = next(iter(capture.registry))
    known.seen = stat_of(file.stat())  # as if the clock had not ticked in between
    await capture.sweep(asyncio.Event())
    assert len(capture.bus.events()) == 1  # type: ignore[attr-defined]
    capture.clock = Later()
    await capture.sweep(asyncio.Event())
    assert [event.generation for event in capture.bus.events()] == [0, 1]  # type: ignore[attr-defined]
    close(capture)


async def test_growth_with_the_same_edges_is_compared_as_a_whole_at_rest(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FULL_CHECK", 0)
    file = transcripts / "s.jsonl"
    data = bytearray(b"".join(jsonl(prompt("x" * 500, f"u{n}")) for n in range(40)))
    file.write_bytes(data)
    capture = watcher(transcripts)
    await capture.sweep(asyncio.Event())
    data[10_000] ^= 1
    file.write_bytes(bytes(data) + jsonl(prompt("more")))
    await capture.sweep(asyncio.Event())
    capture.clock = Later()
    await capture.sweep(asyncio.Event())
    last = capture.bus.events()[-1]  # type: ignore[attr-defined]
    assert (last.generation, last.sha256) == (1, hashlib.sha256(file.read_bytes()).hexdigest())
    close(capture)


class Later(SystemClock):
    """Ten minutes on."""

    def now(self) -> float:
        return super().now() + 600

    def monotonic(self) -> float:
        return super().monotonic() + 600


async def test_a_folder_that_goes_away_and_returns_is_neither_forgotten_nor_doubled(transcripts: Path) -> None:
    write(transcripts / "s.jsonl", "s")
    capture = watcher(transcripts)
    await capture.sweep(asyncio.Event())
    before = len(capture.bus.events())  # type: ignore[attr-defined]
    close(capture)  # as after half a minute of rest
    away = transcripts.with_name("away")
    transcripts.rename(away)
    await capture.sweep(asyncio.Event())
    told = capture.beat.vitals
    assert (told.absent_files, told.discovered_bytes, told.absent_backlog_bytes) == (1, 0, 0)
    assert told.published_bytes > 0
    away.rename(transcripts)
    await capture.sweep(asyncio.Event())
    assert capture.beat.vitals.files == 1
    assert len(capture.bus.events()) == before  # type: ignore[attr-defined]
    close(capture)


async def test_twenty_thousand_files_at_once_overflow_notification_and_are_found(transcripts: Path) -> None:
    """More events than the kernel's queue holds (16,384 by default), in one folder, while the watcher runs."""
    capture = watcher(transcripts, sweep_seconds=1.0)
    stop = asyncio.Event()
    watch = watching.Watch(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watching._run(capture, watch, capture.settings, stop))]
    tasks.append(asyncio.create_task(watch.run()))

    async def watching_now() -> None:
        assert capture.beat.vitals.mode == "notify"
        assert capture.sweeps

    await eventually(watching_now, 20)
    for number in range(20_000):
        (transcripts / f"{number}.jsonl").write_bytes(b'{"type":"mode","uuid":"%d"}\n' % number)

    async def all_seen() -> None:
        assert capture.beat.vitals.files == 20_000
        assert not capture.beat.vitals.files_behind

    await eventually(all_seen, 120)
    stop.set()
    await asyncio.gather(*tasks)
    assert len({event.path for event in capture.bus.events()}) == 20_000  # type: ignore[attr-defined]
    assert len(list(capture.active)) <= active.MOST
    await capture.sweep(asyncio.Event())
    assert capture.changed == 0
    close(capture)


async def refused(*folders: str, **more: Any) -> AsyncIterator[Any]:
    """What watchfiles does when the system has no watches left."""
    raise OSError(28, "inotify watch limit reached")
    yield


async def silent(*folders: str, stop_event: Any, **more: Any) -> AsyncIterator[Any]:
    """A network mount: no notification, ever."""
    while not stop_event.is_set():
        await asyncio.sleep(0.01)
    return
    yield


@pytest.mark.parametrize(
    ("how", "notify", "reason"),
    [(refused, True, "watch limit"), (silent, True, "no notification"), (silent, False, "")],
)
async def test_without_notification_the_sweep_finds_all_and_the_mode_says_poll(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch, how: Any, notify: bool, reason: str
) -> None:
    monkeypatch.setattr(watching, "awatch", how)
    capture = watcher(transcripts, sweep_seconds=0.05, notify=notify)
    stop = asyncio.Event()
    watch = watching.Watch(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watch.run())]
    tasks.append(asyncio.create_task(watching._run(capture, watch, capture.settings, stop)))
    for number in range(6):
        write(transcripts / "s.jsonl", "s", number + 1)

        async def found() -> None:
            assert capture.beat.vitals.captured_bytes == (transcripts / "s.jsonl").stat().st_size

        await eventually(found, 20)
    assert capture.beat.vitals.mode == "poll"
    assert reason in capture.beat.vitals.mode_reason
    stop.set()
    await asyncio.gather(*tasks)
    close(capture)


async def test_notification_is_used_where_it_works(transcripts: Path) -> None:
    capture = watcher(transcripts, sweep_seconds=60.0)
    stop = asyncio.Event()
    watch = watching.Watch(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watching._run(capture, watch, capture.settings, stop))]
    tasks.append(asyncio.create_task(watch.run()))

    async def watching_now() -> None:
        assert capture.beat.vitals.mode == "notify"
        assert capture.sweeps

    await eventually(watching_now, 20)
    file = transcripts / "s.jsonl"

    async def seen() -> None:
        with file.open("ab") as handle:
            handle.write(jsonl(prompt("x")))
        assert capture.beat.vitals.captured_bytes > 0

    await eventually(seen, 20)
    for number in range(5):
        inside = transcripts / str(number) / "deep" / "s.jsonl"
        inside.parent.mkdir(parents=True)
        inside.write_bytes(jsonl(prompt("in a folder that is newer than the watch")))

    async def all_seen() -> None:
        assert capture.beat.vitals.files == 6

    await eventually(all_seen, 20)
    assert capture.sweeps == 1
    stop.set()
    await asyncio.gather(*tasks)
    close(capture)


async def test_a_new_watcher_on_a_new_machine_goes_on_from_the_log(
    transcripts: Path, operator: Bus, kept: Archive
) -> None:
    for number in range(5):
        write(transcripts / f"{number}.jsonl", str(number))
    await captured(operator, transcripts)
    before = (await operator.stream.stream_info(topology.TRANSCRIPTS.name)).state.messages
    again = await captured(operator, transcripts)
    assert (await operator.stream.stream_info(topology.TRANSCRIPTS.name)).state.messages == before
    assert again.beat.vitals.captured_bytes == again.beat.vitals.discovered_bytes
    checkpoints = await kept.checkpoints()
    assert {checkpoint.end for checkpoint in checkpoints.values()} == {
        file.stat().st_size for file in transcripts.iterdir()
    }
