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

from watchfiles import awatch

from contracts.events import Phase, Stage
from runtime import bus, heartbeat, lifecycle
from runtime.clock import SystemClock
from runtime.logs import Log
from services.watcher import catalog, discover
from services.watcher.capture import Capture
from services.watcher.settings import Settings

log = Log("mnemo.watcher")


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Captures until told to stop."""
    beat = heartbeat.Beat(Stage.WATCHER, settings.instance_name, settings.heartbeat_seconds, SystemClock())
    roots = discover.distinct(settings.folders())
    async with (
        bus.connect(settings.nats_url, name=f"watcher {settings.instance_name}") as nats,
        heartbeat.beating(nats, beat),
        asyncio.TaskGroup() as tasks,
    ):
        capture = Capture(nats, settings, roots, await catalog.load(nats), beat)
        log.info("watching", roots=roots, known=len(capture.positions))
        await heartbeat.enter(nats, beat, Phase.RUNNING)
        guard = tasks.create_task(lifecycle.guard_progress(beat, settings.watchdog_stuck_seconds))
        hints = tasks.create_task(_hints(capture, settings, stop), name="hints")
        await _run(capture, settings, stop)
        await heartbeat.enter(nats, beat, Phase.DRAINING)
        hints.cancel()
        guard.cancel()


async def _run(capture: Capture, settings: Settings, stop: asyncio.Event) -> None:
    """Sweep, then hints and rests until the next sweep is due."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        due = loop.time() + settings.sweep_seconds
        await capture.sweep(stop)
        while not stop.is_set() and (left := due - loop.time()) > 0:
            rest = await capture.rest(stop)
            capture.wake.clear()
            if not capture.hot:
                await _first(capture.wake, stop, min(left, rest, 60.0))
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


async def _hints(capture: Capture, settings: Settings, stop: asyncio.Event) -> None:
    """File notification: wakes the capture early. Whatever it misses the next sweep finds."""
    while settings.notify and not stop.is_set():
        present = [root for root in capture.roots if os.path.isdir(root)]  # noqa: ASYNC240 - one stat
        try:
            if present:
                capture.beat.notes["mode"] = "notify"
                async for changes in awatch(
                    *present, stop_event=stop, debounce=100, step=20, watch_filter=_transcripts, recursive=True
                ):
                    capture.notified(path for _, path in changes)
        except (OSError, RuntimeError) as error:
            log.warning("no file notification, sweeps go on", error=str(error))
        capture.beat.notes["mode"] = "poll"
        try:
            await asyncio.wait_for(stop.wait(), settings.sweep_seconds)
        except TimeoutError:
            continue
    capture.beat.notes["mode"] = "poll"


def _transcripts(change: object, path: str) -> bool:
    return path.endswith(discover.SUFFIX)


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.WATCHER)
