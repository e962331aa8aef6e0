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
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.msg import Msg

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.runtime import bus, heartbeat
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import lifecycle, watchdog
from mnemostream.runtime.tasks import cancel_and_wait, either
from mnemostream.services.watcher import catalog
from mnemostream.services.watcher.capture import REPORT_SECONDS, Capture
from mnemostream.services.watcher.checkpoints import reached
from mnemostream.services.watcher.notification import Notification
from mnemostream.services.watcher.rows.watch import Databases
from mnemostream.services.watcher.settings import Settings

log = Log("mnemo.watcher")

TOMBSTONES_SECONDS = 30.0
"""Time between two readings of all tombstones, seconds."""

TOUCH_SECONDS = 5.0
"""Time between two signs of life of the disk while nothing happens, seconds."""

COMPARE_SECONDS = 2.0

DUTY = 120.0
"""A sweep that takes t seconds is repeated after 120 t at the earliest: looking costs below 1 % of a core."""

MOST_PERIODS, MOST_PERIODS_ALONE = 8, 4
"""After so many periods it is repeated at any cost; where no notifications come, sooner."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Captures until told to stop."""
    beat = heartbeat.Beat(Stage.WATCHER, settings.instance_name, settings.heartbeat_seconds, SystemClock())
    beat.file = Path(settings.beat_file) if settings.beat_file else None
    beat.vitals = WatcherVitals(host=settings.host_name, edge=bool(settings.edge))  # also before the log was read
    roots = settings.folders()
    async with (
        bus.connect(settings.nats_url, name=f"watcher {settings.instance_name}") as nats,
        heartbeat.beating(nats, beat),
        asyncio.TaskGroup() as tasks,
    ):
        heard: asyncio.Queue[str] = asyncio.Queue()
        await nats.client.subscribe(
            subjects.forgotten_at(settings.edge), cb=_hear_tombstones(heard)
        )  # first: none may slip in between
        capture = Capture(nats, settings, roots, await catalog.load(nats, settings.edge), beat)
        known = len(capture.positions)
        log.info("watching", roots=[str(root) for root in roots], known=known)
        beat.polled()
        await heartbeat.enter(nats, beat, Phase.RUNNING)
        guard = tasks.create_task(watchdog.guard_progress(_stuck(beat), settings.watchdog_stuck_seconds))
        watch = Notification(capture, settings, stop)
        databases = Databases(capture, settings)
        hints = tasks.create_task(watch.run(), name="hints")
        rows = tasks.create_task(databases.watch(stop), name="hints of databases")
        tombstones = tasks.create_task(_poll_tombstones(nats, capture, heard), name="tombstones")
        memory = tasks.create_task(_compare_after_reconnect(nats, capture), name="memory of the log")
        await _run(capture, watch, databases, stop)
        await cancel_and_wait(tombstones, memory)
        await heartbeat.enter(nats, beat, Phase.DRAINING)
        await cancel_and_wait(hints, rows, guard)
        databases.close()


def _stuck(beat: heartbeat.Beat) -> Callable[[], float]:
    """Work in hand that does not move; or nobody looks at the disk, where nobody can know of work."""
    return lambda: max(beat.stuck_seconds(), beat.unpolled_seconds())


def _hear_tombstones(heard: asyncio.Queue[str]) -> Callable[[Msg], Awaitable[None]]:
    async def take(message: Msg) -> None:
        if name := codec.tombstone(message.subject, message.data):
            heard.put_nowait(name)

    return take


async def _poll_tombstones(nats: Bus, capture: Capture, heard: asyncio.Queue[str]) -> None:
    """Hands tombstones on: those heard at once, and all of the log's now and then, for those that were laid
    while this process was disconnected."""
    while True:
        try:
            async with asyncio.timeout(TOMBSTONES_SECONDS):
                capture.forget(await heard.get())
        except TimeoutError:
            try:
                for transcript in await catalog.forgotten(nats, capture.settings.edge) - capture.positions.forgotten:
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
        acknowledged = _acknowledged(capture)
        try:
            log_ = await catalog.load(nats, capture.settings.edge)
        except Transient as error:
            log.warning("comparison with the log failed; retrying", error=str(error))
            continue
        seen = now
        there, gone = {name: reached(kept) for _, name, kept in log_}, log_.forgotten
        for transcript in gone - capture.positions.forgotten:
            capture.forget(transcript)
        if lost := [n for n, at in acknowledged.items() if n not in gone and at > there.get(n, (0, 0))]:
            log.error("the log lost acknowledged segments", transcripts=len(lost), example=lost[0])
            raise Transient(f"the log lost acknowledged segments of {len(lost)} transcripts: shipping them again")


def _acknowledged(capture: Capture) -> dict[str, tuple[int, int]]:
    """Generation and end that the log has stored, by transcript."""
    seen = {known.transcript: (known.stored_generation, known.stored_end) for known in capture.registry}
    return {name: reached(kept) for _, name, kept in capture.positions} | seen


async def _run(capture: Capture, watch: Notification, databases: Databases, stop: asyncio.Event) -> None:
    """Sweep, then hints and rests until the next sweep is due."""
    loop = asyncio.get_running_loop()
    settings = capture.settings
    while not stop.is_set():
        began = loop.time()
        await databases.sweep(stop)
        await capture.sweep(stop)
        capture.unreadable |= databases.problems
        watch.swept()
        if capture.sweeps == 1:
            capture.beat.news.set()  # all is watched
        period = settings.sweep_seconds
        if not capture.changed:
            most = MOST_PERIODS if watch.works else MOST_PERIODS_ALONE
            period = min(max(period, DUTY * (loop.time() - began)), most * period)
        capture.sweep_period = period
        capture.report(now=True)
        due = began + period
        while not stop.is_set() and (left := due - loop.time()) > 0:
            await databases.due(stop)
            rest = min(await capture.rest(stop), databases.seconds())
            capture.hints.wake.clear()
            if not capture.hints:
                pause = min(left, rest, REPORT_SECONDS if capture.dirty else TOUCH_SECONDS)
                await either(capture.hints.wake, stop, within=max(0.0, pause))
            await capture.touch()
            await capture.drain_hot(stop)
            await capture.flush()
            capture.report()
    await capture.flush()


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.WATCHER)
