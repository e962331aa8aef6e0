"""Ends a process whose event loop is blocked, or whose work does not move.

Time in which the process did not run (a suspended machine, SIGSTOP, a paused container) is none of it: the watchers
count their own looks, and were stopped with the rest. What holds the interpreter itself is the supervisor's to find.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

from mnemostream.runtime.logs import Log

log = Log("mnemo.watchdog")

LOOKS = 15
"""In the time limit of a blocked loop."""
CHECKS = 8
"""In the time limit of work."""


class _Pulse:
    """Of an event loop."""

    def __init__(self) -> None:
        self.beats = 0
        self.ended = threading.Event()


async def guard_loop(limit: float, stop: asyncio.Event) -> None:
    """Dumps all stacks and ends the process when the loop is blocked for `limit` seconds, until the stop; 0 = never."""
    pulse = _Pulse()
    if limit:
        threading.Thread(target=_look, args=(pulse, limit), name="watchdog", daemon=True).start()
    try:
        while limit and not stop.is_set():
            pulse.beats += 1
            await asyncio.sleep(limit / LOOKS / 2)
    finally:
        pulse.ended.set()


def _look(pulse: _Pulse, limit: float) -> None:
    seen = silent = 0
    while not pulse.ended.wait(limit / LOOKS):
        silent = silent + 1 if pulse.beats == seen else 0
        seen = pulse.beats
        if silent >= LOOKS:
            sys.stderr.write(f"the event loop was blocked for {limit:g} s\n")
            faulthandler.dump_traceback(all_threads=True)
            os._exit(1)


async def guard_progress(stuck_seconds: Callable[[], float], limit: float) -> None:
    """Ends the process when nothing has moved for `limit` seconds that should; 0 = never."""
    clock = asyncio.get_running_loop().time
    while limit:
        began = clock()
        await asyncio.sleep(limit / CHECKS)
        if clock() - began > 2 * limit / CHECKS:
            continue  # this process did not run: what it does has until the next look to move
        if (stuck := stuck_seconds()) > limit:
            log.error("no progress on work in flight; exiting", seconds=round(stuck))
            faulthandler.dump_traceback()
            os._exit(1)
