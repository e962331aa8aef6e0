"""Heartbeats: facts about finished work, told every few seconds by the supervisor of that work.

The beat itself proves only that the event loop turns; whether work is done stands in `last_progress_at`,
which finished work alone moves, and whether anybody looks for work in `last_poll`.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import nats.errors

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import Vitals
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import Clock
from mnemostream.runtime.logs import Log, loggable
from mnemostream.runtime.tasks import cancel_and_wait

log = Log("mnemo.heartbeat")


def service_version() -> str:
    """The installed version of Mnemostream."""
    try:
        return version("mnemostream")
    except PackageNotFoundError:
        return "0"


ERROR_CHARS = 4000
"""Of an error's text that are looked at; 500 are told."""


class Beat:
    """The state that the next heartbeat will tell. Work reports here what it has finished."""

    def __init__(self, stage: Stage, instance: str, interval: float, clock: Clock) -> None:
        self.stage = stage
        self.instance = instance
        self.interval = interval
        self.clock = clock
        self.boot_id = uuid.uuid4().hex
        self.started = clock.monotonic()
        self.phase = Phase.STARTING
        self.sequence = 0
        self.last_progress_at = 0.0
        self.processed = 0
        self.failed = 0
        self._failures: dict[str, int] = {}
        self.last_import_count = 0
        self.last_error = ""
        self.loop_lag = 0.0
        self._loops: dict[str, tuple[int, float]] = {}
        self._polls: dict[str, tuple[float, float]] = {}
        self.pulls_refused: int | None = None
        """Counted by those who pull."""
        self.redelivered: int | None = None
        self.foreign_messages: int | None = None
        self.news = asyncio.Event()
        """Set when the next heartbeat shall not wait for its time."""
        self.file: Path | None = None
        """Where the last one is kept, with whether there was a connection; None = nowhere."""
        self.vitals: Vitals | None = None
        """What only this stage can tell; replaced as a whole."""

    def polled(self, loop_name: str = "") -> None:
        """Contact of one of the loops with its source of work is proven, work or no work. From any thread."""
        self._polls[loop_name] = self.clock.now(), self.clock.monotonic()

    @property
    def last_poll(self) -> float:
        """Unix time at which the loop that is longest without contact had it; one with work in hand has it."""
        now = self.clock.now()
        polls = list(self._polls.items())
        return min((now if self._holds(loop_name) else at for loop_name, (at, _) in polls), default=0.0)

    def unpolled_seconds(self) -> float:
        """For how long a loop without work in hand has had no contact with its source of work."""
        now = self.clock.monotonic()
        polls = list(self._polls.items())
        return max((now - since for loop_name, (_, since) in polls if not self._holds(loop_name)), default=0.0)

    def _holds(self, loop_name: str) -> bool:
        return bool(self._loops.get(loop_name, (0, 0.0))[0])

    def set_in_flight(self, count: int, loop_name: str = "") -> None:
        """`count` pieces of work are in hand, in one of the loops of this process; 0 = done with them."""
        if not count and self._holds(loop_name) and loop_name in self._polls:
            self.polled(loop_name)  # whoever had work in hand had contact until now
        self._loops[loop_name] = (count, self.clock.monotonic())

    @property
    def in_flight(self) -> int:
        """Pieces of work in hand."""
        return sum(count for count, _ in self._loops.values())

    @property
    def consecutive_failures(self) -> int:
        """Failures since the last success, of the loop that is worst: one that works does not hide one that fails."""
        return max(self._failures.values(), default=0)

    def succeeded(self, count: int, loop_name: str = "") -> None:
        """`count` pieces are done, durably."""
        self.last_progress_at = self.clock.now()
        self.processed += count
        self.last_import_count = count
        self._failures[loop_name] = 0

    def record_progress(self, loop_name: str = "") -> None:
        """A part of the work in hand is done: it is slow, not stuck."""
        self.last_progress_at = self.clock.now()
        self.set_in_flight(self._loops.get(loop_name, (0, 0.0))[0], loop_name)

    def failed_with(self, error: BaseException | str, loop_name: str = "") -> None:
        """One attempt failed; it may be tried again."""
        self.failed += 1
        self._failures[loop_name] = self._failures.get(loop_name, 0) + 1
        self.last_error = loggable(str(error)[:ERROR_CHARS])[:500]

    def record_disconnect(self, error: BaseException | str) -> None:
        """There is no way to the work: told, but no failure of the work. What is missing is seen from outside."""
        self.last_error = loggable(str(error)[:ERROR_CHARS])[:500]

    def tell(self, **changes: Any) -> None:
        """Changes some of what only this stage tells. Raises AttributeError for what its vitals do not have."""
        if self.vitals is None:
            raise AttributeError(f"the {self.stage} has set no vitals")
        self.vitals = msgspec.structs.replace(self.vitals, **changes)

    def stuck_seconds(self) -> float:
        """Since when work is in hand without any progress; 0.0 when idle."""
        now = self.clock.monotonic()
        return max((now - since for count, since in self._loops.values() if count), default=0.0)

    def event(self) -> Heartbeat:
        """The next heartbeat."""
        self.sequence += 1
        return Heartbeat(
            stage=self.stage,
            instance=self.instance,
            boot_id=self.boot_id,
            sequence=self.sequence,
            sent_at=self.clock.now(),
            phase=self.phase,
            interval_seconds=self.interval,
            uptime_seconds=self.clock.monotonic() - self.started,
            pid=os.getpid(),
            service_version=service_version(),
            last_poll=self.last_poll,
            last_progress_at=self.last_progress_at,
            processed=self.processed,
            failed=self.failed,
            consecutive_failures=self.consecutive_failures,
            last_import_count=self.last_import_count,
            total_imported=self.processed,
            in_flight=self.in_flight,
            oldest_in_flight_seconds=self.stuck_seconds(),
            loop_lag_seconds=self.loop_lag,
            last_error=self.last_error,
            polls=len(self._polls) or None,
            pulls_refused=self.pulls_refused,
            redelivered=self.redelivered,
            foreign_messages=self.foreign_messages,
            vitals=self.vitals,
            version=2,
        )


@asynccontextmanager
async def beating(bus: Bus, beat: Beat) -> AsyncIterator[Beat]:
    """Beats while the body runs: `starting` at once, later what `enter` says, `stopped` as the goodbye."""
    await _send(bus, beat)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_run(bus, beat), name="heartbeat")
            try:
                yield beat
            finally:
                await cancel_and_wait(task)
    except asyncio.CancelledError:  # told to stop while it waited for something: as good a goodbye as any
        await enter(bus, beat, Phase.STOPPED)
        raise
    await enter(bus, beat, Phase.STOPPED)


async def enter(bus: Bus, beat: Beat, phase: Phase) -> None:
    """The instance is in another phase of its life, and says so at once."""
    beat.phase = phase
    await _send(bus, beat)


async def _run(bus: Bus, beat: Beat) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + beat.interval
        with suppress(TimeoutError):
            async with asyncio.timeout(beat.interval):
                await beat.news.wait()
        beat.news.clear()
        beat.loop_lag = max(0.0, loop.time() - due)
        await _send(bus, beat)


async def _send(bus: Bus, beat: Beat) -> None:
    """Without waiting for an ack: a lost beat is followed by the next, a late one says nothing."""
    told = codec.encode(beat.event())
    if beat.file:
        _keep(beat.file, told, connected=bus.client.is_connected)
    try:
        await bus.client.publish(subjects.heartbeat(beat.stage, beat.instance), told)
        await bus.client.flush(timeout=2)
    except (nats.errors.Error, TimeoutError, OSError) as error:
        log.warning("heartbeat not sent", error=str(error) or type(error).__name__)


def _keep(file: Path, told: bytes, *, connected: bool) -> None:
    """Whole or not at all; a full disk is no reason to stop."""
    fresh = file.with_suffix(".new")
    with suppress(OSError):
        fresh.write_bytes(b'{"connected":%s,"beat":%s}' % (b"true" if connected else b"false", told))
        fresh.replace(file)
