"""How a service process lives: settings, logs, signals, watchdogs, exit codes.

0 stopped as asked · 1 crashed (restart me) · 78 misconfigured (a person must act)
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mnemostream.contracts.events import Stage
from mnemostream.runtime import logs, settings
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import alive, instance, watchdog

log = Log("mnemo.lifecycle")
S = TypeVar("S", bound=settings.Common)

EX_CONFIG = 78
STOP_SECONDS = 6.5
"""What is not done so long after a stop is cancelled, whatever it waits for …"""
CANCEL_SECONDS = 1.5
"""… and has so long to say goodbye. Together less than the 10 s after which an engine kills."""
CHECK = "--check"
"""The one argument of a service: only read the settings, and say what is wrong with them."""


def run(main: Callable[[S, asyncio.Event], Awaitable[None]], kind: type[S], owner: Stage | None) -> None:
    """Runs `main(settings, stop)` to its end and leaves the process with the right code."""
    try:
        loaded = settings.load(kind, owner, os.environ)
        if sys.argv[1:] == [CHECK]:
            return
        logs.configure(loaded.log_level)
        with ExitStack() as stack:
            if owner and not loaded.instance:
                loaded = msgspec.structs.replace(loaded, instance=stack.enter_context(instance.claimed(owner)))
            asyncio.run(_supervised(main, loaded))
    except (Misconfigured, Transient) as error:
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Says on stderr why the process ends; the exit code that fits."""
    leaves = _leaves(error)
    if not all(isinstance(leaf, (Misconfigured, Transient)) for leaf in leaves):
        traceback.print_exception(leaves[0] if len(leaves) == 1 else error)  # one error needs no group around it
        return 1
    for leaf in leaves:
        sys.stderr.write(f"{type(leaf).__name__.lower()}: {leaf}\n")
    return EX_CONFIG if any(isinstance(leaf, Misconfigured) for leaf in leaves) else 1


async def _supervised(main: Callable[[S, asyncio.Event], Awaitable[None]], loaded: S) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    body = asyncio.ensure_future(main(loaded, stop))
    guards = [asyncio.create_task(watchdog.guard_loop(loaded.watchdog_blocked_seconds, stop), name="watchdog")]
    if loaded.alive_file:
        guards.append(asyncio.create_task(alive.touch_alive_file(Path(loaded.alive_file)), name="alive"))
    if loaded.parent_pid:
        guards.append(asyncio.create_task(_parent(loaded.parent_pid, stop), name="parent"))
    faulthandler.enable()  # SIGABRT of a supervisor: all stacks
    code = 0
    try:
        await _until_done(body, stop)
    except Exception as error:
        code = _report(error)
    for guard in guards:
        guard.cancel()
    _leave(code)  # a call in a thread (a model, a frozen disk) would hold the interpreter's own exit


async def _until_done(body: asyncio.Future[None], stop: asyncio.Event) -> None:
    """Returns when `body` has ended, or STOP_SECONDS after a stop whatever it does. Raises what it raised."""
    stopped = asyncio.ensure_future(stop.wait())
    both: set[asyncio.Future[Any]] = {body, stopped}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not body.done():
        faulthandler.dump_traceback_later(STOP_SECONDS + CANCEL_SECONDS + 1, exit=True)  # even if the loop is blocked
        await asyncio.wait({body}, timeout=STOP_SECONDS)
    if not body.done():
        log.warning("still busy after the stop request; cancelling", seconds=STOP_SECONDS)
        body.cancel()
        await asyncio.wait({body}, timeout=CANCEL_SECONDS)
    if body.done() and not body.cancelled():
        body.result()


def _leave(code: int) -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


async def _parent(pid: int, stop: asyncio.Event) -> None:
    """A service of `mnemo up` does not outlive it."""
    while os.getppid() == pid:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(1.0)
    log.warning("parent process exited; stopping")
    stop.set()


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
