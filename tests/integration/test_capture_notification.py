"""Capture against a real log: back-pressure, projects, what goes away, what notification misses."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive.copies import Archive
from mnemostream.contracts import topology
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.disk.files import stat_of
from mnemostream.services.watcher import main as watching
from mnemostream.services.watcher import notification
from mnemostream.services.watcher.files import active, compare
from mnemostream.services.watcher.rows.watch import Databases
from tests.conftest import eventually, jsonl, prompt
from tests.integration.capturing import Later, close, refused, silent, watcher
from tests.integration.conftest import captured
from tests.integration.proving import write


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
    capture.clock = capture.resting.clock = Later()
    await capture.sweep(asyncio.Event())
    assert [event.generation for event in capture.bus.events()] == [0, 1]  # type: ignore[attr-defined]
    close(capture)


async def test_growth_with_the_same_edges_is_compared_as_a_whole_at_rest(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "FULL_CHECK", 0)
    file = transcripts / "s.jsonl"
    data = bytearray(b"".join(jsonl(prompt("x" * 500, f"u{n}")) for n in range(40)))
    file.write_bytes(data)
    capture = watcher(transcripts)
    await capture.sweep(asyncio.Event())
    data[10_000] ^= 1
    file.write_bytes(bytes(data) + jsonl(prompt("more")))
    await capture.sweep(asyncio.Event())
    capture.clock = capture.resting.clock = Later()
    await capture.sweep(asyncio.Event())
    last = capture.bus.events()[-1]  # type: ignore[attr-defined]
    assert (last.generation, last.sha256) == (1, hashlib.sha256(file.read_bytes()).hexdigest())
    close(capture)


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
    watch = notification.Notification(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watching._run(capture, watch, Databases(capture, capture.settings), stop))]
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


@pytest.mark.parametrize(
    ("how", "notify", "reason"),
    [(refused, True, "watch limit"), (silent, True, "no notification"), (silent, False, "")],
)
async def test_without_notification_the_sweep_finds_all_and_the_mode_says_poll(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch, how: Any, notify: bool, reason: str
) -> None:
    monkeypatch.setattr(notification, "awatch", how)
    capture = watcher(transcripts, sweep_seconds=0.05, notify=notify)
    stop = asyncio.Event()
    watch = notification.Notification(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watch.run())]
    tasks.append(asyncio.create_task(watching._run(capture, watch, Databases(capture, capture.settings), stop)))
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
    watch = notification.Notification(capture, capture.settings, stop)
    tasks = [asyncio.create_task(watching._run(capture, watch, Databases(capture, capture.settings), stop))]
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
