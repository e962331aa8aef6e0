"""`mnemo up` and `mnemo status` on an edge, where a watcher runs and nothing else."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from mnemostream.cli.console import EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, err, failed, out, print_json, worded
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.sources import Root
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.local import folder, logs
from mnemostream.local.edges import joined, watching
from mnemostream.local.edges.joined import Joined, Said
from mnemostream.local.service import notify
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.tasks import either

LOOK_SECONDS = 0.5
SILENT_SECONDS = 20.0
"""The watcher beats every 5 s."""
QUICK = {"MNEMO_HEARTBEAT_SECONDS": "1"}


class State(msgspec.Struct, frozen=True):
    """What `mnemo status` tells on an edge."""

    edge: str
    server: str
    status: str
    """`healthy`, `degraded` (what is written waits on this disk), `unhealthy` (nothing watches), `unknown`."""
    cause: str
    files: int = 0
    captured_bytes: int = 0
    backlog_bytes: int | None = None
    """Bytes on disk that the server has not acknowledged."""


CODES = {"healthy": 0, "degraded": EX_FALSE, "unhealthy": EX_UNHEALTHY, "unknown": EX_UNKNOWN}


def state(server: Joined, said: Said | None, *, runs: bool, now: float) -> State:
    """Pure: from the last heartbeat that the watcher left in the data folder."""
    if not runs:
        return State(server.edge, server.server, "unhealthy", "nothing watches: `mnemo up`, or `mnemo service install`")
    if said is None:
        cause = f"no connection yet: {server.server} does not answer, or the watcher is just starting"
        return State(server.edge, server.server, "degraded", cause)
    age = now - said.beat.sent_at
    vitals = said.beat.vitals if isinstance(said.beat.vitals, WatcherVitals) else WatcherVitals()
    figures = (vitals.files or 0, vitals.captured_bytes or 0, vitals.backlog_bytes)
    waits = f"{counted(vitals.backlog_bytes, 'byte')} wait" if vitals.backlog_bytes else "nothing waits"
    if age > SILENT_SECONDS:
        status, cause = "unhealthy", f"the watcher has not been heard for {age:.0f} s; see logs/watcher.log"
    elif not said.connected:
        status, cause = "degraded", f"{server.server} does not answer; {waits} on this disk, and nothing is lost"
    elif vitals.paused:
        status, cause = "degraded", vitals.paused
    elif vitals.unreadable_files or vitals.missing_transcripts:
        status, cause = "degraded", f"not everything can be read: {vitals.unreadable or vitals.missing}"
    elif not vitals.sweeps:
        status, cause = "healthy", "looking through the folders"
    else:
        status, cause = "healthy", "catching up" if vitals.backlog_bytes else "all shipped"
    return State(server.edge, server.server, status, cause, *figures)


def now_of(data: Path, server: Joined) -> State:
    """The present state."""
    said = joined.said(data / folder.RUN / joined.BEAT)
    return state(server, said, runs=folder.in_use(data), now=SystemClock().now())


def status(data: Path, server: Joined, *, as_json: bool) -> None:
    """Shows it, and leaves with its code."""
    told = now_of(data, server)
    if as_json:
        print_json(told)
    else:
        out.print(worded("edge     {} of {}", told.edge, told.server))
        out.print(worded("watcher  {}: {}", told.status, told.cause), soft_wrap=True)
        backlog = "unknown" if told.backlog_bytes is None else f"{told.backlog_bytes:,}"
        out.print(worded("files    {:,}, {:,} bytes read, {} to be shipped", told.files, told.captured_bytes, backlog))
        err.print(worded("what was shipped is searched on {}", told.server))
    sys.exit(CODES[told.status])


def up(data: Path, server: Joined, roots: Sequence[Root], *, once: bool, as_json: bool) -> None:
    """Until a signal, or with `once` until everything is shipped; leaves with its code."""
    try:
        sys.exit(asyncio.run(_up(data, server, roots, once=once, as_json=as_json)))
    except (folder.Busy, RuntimeError, OSError) as error:
        failed("cannot start", error)
        sys.exit(EX_UNHEALTHY)


async def _up(data: Path, server: Joined, roots: Sequence[Root], *, once: bool, as_json: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say = logs.kept(lambda text: err.print(worded("{}", text), soft_wrap=True), data / "logs" / "mnemo.log")
    async with AsyncExitStack() as stack:
        child = await stack.enter_async_context(watching.running(data, server, roots, say, QUICK if once else {}))
        await stack.enter_async_context(notify.running(data))
        say(f"shipping to {server.server} as {server.edge}; `mnemo status` shows how far, Ctrl-C stops")
        told = ""
        while not stop.is_set():
            if child.unkept or child.fatal:
                raise RuntimeError(child.unkept or child.fatal)
            now = now_of(data, server)
            if now.cause != told and now.status != "healthy":
                say(f"{now.status}: {now.cause}")
            elif now.status == "healthy" and told and told != now.cause:
                say(now.cause)
            told = now.cause
            if once and now.status == "healthy" and now.backlog_bytes == 0 and _swept(data):
                break
            await either(stop, within=LOOK_SECONDS)
        left = now_of(data, server)
    if as_json:
        print_json(left)
    return 0 if not once or left.backlog_bytes == 0 else EX_FALSE


def _swept(data: Path) -> bool:
    """All folders were looked through."""
    said = joined.said(data / folder.RUN / joined.BEAT)
    return said is not None and isinstance(said.beat.vitals, WatcherVitals) and bool(said.beat.vitals.sweeps)
