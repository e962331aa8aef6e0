"""Watcher: transcripts on disk in, segments out.

    *.jsonl ──notify──▶ hot ─┐
       │                     ├──▶ read (thread) ──▶ parse (pure) ──▶ atomic batch ──▶ TRANSCRIPTS
       └──── stat sweep ─────┘                                                            │
             positions of a new watcher ◀── last checkpoint per transcript ◀──────────────┘

The order is the promise: a position exists only as part of the segment that the log has acknowledged.
Killed on any line below, this process forgets what it had read and not stored, and reads it again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator

from nats.aio.msg import Msg
from watchfiles import Change, awatch

from contracts import subjects
from contracts.events import Phase, Stage
from runtime import bus, heartbeat
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.errors import Transient
from runtime.files import walk
from runtime.logs import Log
from runtime.process import lifecycle
from runtime.tasks import ended
from services.watcher import catalog
from services.watcher.capture import REPORT_SECONDS, Capture
from services.watcher.settings import Settings

log = Log("mnemo.watcher")

GRAVES_SECONDS = 30.0
"""Time between two readings of all tombstones, seconds."""

TOUCH_SECONDS = 5.0
"""Time between two signs of life of the disk while nothing happens, seconds."""

COMPARE_SECONDS = 2.0

DUTY = 60.0
"""A sweep that takes t seconds is repeated after 60 t at the earliest: looking costs below 2 % of a core."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Captures until told to stop."""
    beat = heartbeat.Beat(Stage.WATCHER, settings.instance_name, settings.heartbeat_seconds, SystemClock())
    roots = settings.folders()
    async with (
        bus.connect(settings.nats_url, name=f"watcher {settings.instance_name}") as nats,
        heartbeat.beating(nats, beat),
        asyncio.TaskGroup() as tasks,
    ):
        heard: asyncio.Queue[str] = asyncio.Queue()
        await nats.client.subscribe(subjects.FORGOTTEN, cb=_tombstones(heard))  # first: none may slip in between
        capture = Capture(nats, settings, roots, await catalog.load(nats), beat)
        known = len(capture.positions.checkpoints)
        log.info("watching", roots=[str(root) for root in roots], known=known)
        beat.polled()
        await heartbeat.enter(nats, beat, Phase.RUNNING)
        guard = tasks.create_task(lifecycle.guard_progress(_stuck(beat), settings.watchdog_stuck_seconds))
        watch = Watch(capture, settings, stop)
        hints = tasks.create_task(watch.run(), name="hints")
        graves = tasks.create_task(_graves(nats, capture, heard), name="tombstones")
        memory = tasks.create_task(_compare_after_reconnect(nats, capture), name="memory of the log")
        await _run(capture, watch, settings, stop)
        await ended(graves, memory)
        await heartbeat.enter(nats, beat, Phase.DRAINING)
        await ended(hints, guard)


def _stuck(beat: heartbeat.Beat) -> Callable[[], float]:
    """Work in hand that does not move; or nobody looks at the disk, where nobody can know of work."""
    return lambda: max(beat.stuck_seconds(), beat.unpolled_seconds())


def _tombstones(heard: asyncio.Queue[str]) -> Callable[[Msg], Awaitable[None]]:
    async def take(message: Msg) -> None:
        heard.put_nowait(subjects.source_and_transcript(message.subject)[1])

    return take


async def _graves(nats: Bus, capture: Capture, heard: asyncio.Queue[str]) -> None:
    """Hands tombstones on: those heard at once, and all of the log's now and then, for those that were laid
    while this process was disconnected."""
    while True:
        try:
            async with asyncio.timeout(GRAVES_SECONDS):
                capture.forget(await heard.get())
        except TimeoutError:
            try:
                for transcript in await catalog.forgotten(nats) - capture.positions.forgotten:
                    capture.forget(transcript)
            except Transient as error:
                log.debug("tombstones not read", error=str(error))


async def _compare_after_reconnect(nats: Bus, capture: Capture) -> None:
    """A server that comes back may have lost what it had acknowledged: an older store was put in place. Then this
    process ends, and its successor ships from where the log stands. Raises Transient."""
    seen = nats.client.stats["reconnects"]
    while True:
        await asyncio.sleep(COMPARE_SECONDS)
        if (now := nats.client.stats["reconnects"]) == seen or not nats.client.is_connected:
            continue
        acknowledged = capture.acknowledged()
        try:
            log_ = await catalog.load(nats)
        except Transient as error:
            log.warning("the log is not compared yet", error=str(error))
            continue
        seen = now
        there, gone = log_.checkpoints, log_.forgotten
        for transcript in gone - capture.positions.forgotten:
            capture.forget(transcript)
        if lost := [n for n, at in acknowledged.items() if n not in gone and at > catalog.reached(there.get(n))]:
            log.error("the log lost what it had acknowledged", transcripts=len(lost), example=lost[0])
            raise Transient(f"the log lost acknowledged segments of {len(lost)} transcripts: shipping them again")


async def _run(capture: Capture, watch: Watch, settings: Settings, stop: asyncio.Event) -> None:
    """Sweep, then hints and rests until the next sweep is due."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        began = loop.time()
        await capture.sweep(stop)
        watch.swept()
        period = settings.sweep_seconds
        if not capture.changed:
            period = min(max(period, DUTY * (loop.time() - began)), 4 * period)
        capture.sweep_period = period
        capture.report(now=True)
        due = began + period
        while not stop.is_set() and (left := due - loop.time()) > 0:
            rest = await capture.rest(stop)
            capture.wake.clear()
            if not capture.hot:
                await _first(capture.wake, stop, min(left, rest, REPORT_SECONDS if capture.dirty else TOUCH_SECONDS))
            await capture.touch()
            await capture.drain_hot(stop)
            await capture.flush()
            capture.report()
    await capture.flush()


async def _first(wake: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Returns at a hint, at the stop, or after `seconds`."""
    waits = [asyncio.create_task(wake.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Watch:
    """File notification: wakes the capture early. Whatever it misses the next sweep finds.

    `mode` in the heartbeat says what works: `notify`, or `poll` where notification is off, refused by the
    system (watch limits), or silent although files change (network and bind mounts).
    """

    def __init__(self, capture: Capture, settings: Settings, stop: asyncio.Event) -> None:
        self.capture = capture
        self.settings = settings
        self.stop = stop
        self.folders: list[str] = []
        self.again = asyncio.Event()
        self.silent = 0
        """Sweeps in a row that found changes while no notification came at all."""
        self.refused = ""

    def is_set(self) -> bool:
        """True when watching must end: the process stops, or other folders are there than before."""
        return self.stop.is_set() or self.again.is_set()

    def set(self) -> None:
        """Called by the watching thread when it is cancelled."""
        self.again.set()

    def swept(self) -> None:
        """After a sweep: judges the notifications by what the sweep found."""
        capture = self.capture
        if capture.sweeps > 1 and capture.unannounced and not capture.heard:
            self.silent += 1
        elif capture.heard:
            self.silent = 0
        if self._present() != self.folders:
            self.again.set()
        self._tell()

    def _present(self) -> list[str]:
        return [root.folder for root in self.capture.roots if os.path.isdir(root.folder)]

    def _tell(self) -> None:
        working = self.settings.notify and self.folders and not self.refused and self.silent < 2
        silent = "files change and no notification comes" if self.silent >= 2 else ""
        self.capture.beat.tell(mode="notify" if working else "poll", mode_reason=self.refused or silent)

    async def run(self) -> None:
        """Turns notifications into hints until the stop."""
        while self.settings.notify and not self.stop.is_set():
            self.again.clear()
            self.folders = self._present()
            try:
                if self.folders:
                    self.refused = ""
                    self._tell()
                    async for changes in awatch(
                        *self.folders,
                        stop_event=self,
                        debounce=100,
                        step=50,
                        watch_filter=_transcripts,
                        recursive=True,
                    ):
                        self.capture.notified(found for _, path in changes for found in _files(path))
            except (OSError, RuntimeError) as error:
                self.refused = str(error)
                self._tell()
                log.warning("no file notification, sweeps go on", error=self.refused)
                self.again.clear()
            if not self.again.is_set():
                await _first(self.again, self.stop, 4 * self.settings.sweep_seconds)
        self._tell()


def _transcripts(change: Change, path: str) -> bool:
    return path.endswith((".jsonl", ".json")) or (change is Change.added and os.path.isdir(path))


def _files(path: str) -> Iterator[str]:
    """The path, or the files in a new folder: they may be older than the watch on it."""
    if not os.path.isdir(path):
        yield path
        return
    for found, _ in walk(path, lambda name: name.endswith((".jsonl", ".json")), []):
        yield os.path.join(path, *found.split("/"))


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.WATCHER)
