"""Captures files one after the other: newest first, a file that just changed before the backlog.

Messages of several files share atomic batches. While one batch is being stored the next piece is read.
In memory a cursor runs ahead of the log by what is being stored; a batch is repeated, byte for byte,
until it is stored, and if the process dies the cursor dies with it: the log alone says what is captured.
"""

from __future__ import annotations

import asyncio

from mnemostream.contracts.sources import Root
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.runtime.clock import Clock
from mnemostream.runtime.disk.left import Left
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.secrets.scan import scanner
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.files import meanwhile
from mnemostream.services.watcher.files.active import ActiveFiles
from mnemostream.services.watcher.files.reading import read_next
from mnemostream.services.watcher.files.registry import Missing, Registry
from mnemostream.services.watcher.files.resting import Resting
from mnemostream.services.watcher.files.tracked import FORGOTTEN, Files, ReadResult, TrackedFile
from mnemostream.services.watcher.hints import Hints
from mnemostream.services.watcher.ledger import LineCounts
from mnemostream.services.watcher.outbox import Outbox, Position, Sink
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from mnemostream.services.watcher.reporting import counters, figures_of
from mnemostream.services.watcher.settings import Settings

log = Log("mnemo.capture")

MIN_TOUCH_SECONDS = 2.0
HOLD_SECONDS = 30.0
"""A file that rested so long is closed: an open file would keep its folder from being unmounted."""
REPORT_SECONDS = 0.5


class Capture:
    """All known files and the way of their bytes to the log."""

    def __init__(self, bus: Sink, settings: Settings, roots: list[Root], positions: Positions, beat: Beat) -> None:
        self.bus = bus
        self.settings = settings
        self.roots = roots
        self.positions = positions
        self.beat = beat
        beat.vitals = WatcherVitals(host=settings.host_name, edge=bool(settings.edge))
        self.clock: Clock = beat.clock
        s = settings
        secrecy = Secrecy(scanner(s.secret_rules), s.redact == "publish")
        self.files = Files(s.host_name, s.segment_bytes, s.include, s.exclude, s.attachment_bytes, secrecy, beat.polled)
        self.registry = Registry(roots, positions, settings.host_name)
        self.active = ActiveFiles()
        self.resting = Resting(beat.clock, settings.settle_seconds)
        self.hints = Hints()
        self.tombstones: set[str] = set()
        self.lines = LineCounts()
        self.rewritten = 0
        """Files that were rewritten: a new generation each."""
        self.unreadable: dict[str, str] = {}
        """Files that cannot be read, and why."""
        self.unlistable: list[str] = []  # what the last sweep could not list, and why
        self.missing: list[Missing] = []
        self.defaults = settings.default_folders()
        self.left = Left()
        """What the last sweep saw and did not look into."""
        self.left_out: dict[str, dict[str, int]] = {}  # of databases: rows by table
        self.published = positions.published()
        """Bytes of the current generations that the log holds, by source, also of files that are gone."""
        self.sweeps = 0
        self.sweep_period = settings.sweep_seconds
        """Time from one sweep to the next, seconds."""
        self.unannounced = 0
        """Changes that the last sweep found and no notification had named."""
        self.changed = 0  # files in which the last sweep found something to look at
        self.outbox = Outbox(bus, beat, self._stored, self.files.refused, settings.edge)
        self._reported = 0.0
        self.dirty = True
        """The figures may have changed: counting 25,000 idle files again costs more than seeing them."""
        self._files = 0  # that the last scan saw

    def forget(self, transcript: str) -> None:
        """A tombstone was laid: this transcript is captured no more, from the next look on."""
        self.tombstones.add(transcript)
        self.hints.wake.set()

    def _apply_tombstones(self) -> None:
        if not self.tombstones:
            return
        gone, self.tombstones = self.tombstones, set()
        self.positions.forgotten |= gone
        self.dirty = True
        for known in self.registry:
            if known.transcript in gone:
                known.forgotten()
                known.cursor, known.kept = None, b""
                self._stored((known, 0, 0))
        for transcript in gone:
            source, end = self.positions.drop(transcript)
            self.published[source] -= end
            self.outbox.drop(transcript)
            log.info("forgotten", transcript=transcript)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Looks at every file once; hot ones first, at any time."""
        self._apply_tombstones()
        scan = await asyncio.to_thread(
            self.registry.scan, self.sweeps + 1, self.unreadable, self.clock.now(), self.beat.polled
        )
        for problem in scan.problems:
            log.warning("cannot list folder", problem=problem)
        self.unlistable, self.missing = scan.problems, scan.missing
        self.dirty = self.dirty or scan.left.counts != self.left.counts
        self.left = scan.left
        self.unreadable = scan.unreadable  # what is gone is no problem any more
        self.dirty = self.dirty or bool(scan.changed) or scan.files != self._files
        self._files = scan.files
        self.changed = len(scan.changed)
        self.hints.swept()
        self.unannounced = sum(1 for known, stat in scan.changed if known.seen not in (None, stat))
        news = self.dirty
        self.report(now=True)
        for known, _ in scan.changed:
            if stop.is_set():
                return
            await self.drain_hot(stop)
            await self.check(known, stop)
        await self._leave_absent(stop)
        await self.flush()
        self.sweeps += 1
        self.dirty = self.dirty or news
        self.report(now=True)

    async def touch(self) -> None:
        """A sign of life of every root: a disk that hangs is noticed now, not at the next sweep. No more often than
        it is of use."""
        if self.beat.unpolled_seconds() < MIN_TOUCH_SECONDS:
            return
        await asyncio.to_thread(self.registry.stat_roots)
        self.beat.polled()

    async def _leave_absent(self, stop: asyncio.Event) -> None:
        """Reads the rest of files that are gone and still held open; closes those at rest."""
        now = self.clock.now()
        for known in self.active:
            if known.file and known.sweep <= self.sweeps:
                await self.check(known, stop)
            elif known.file and now - known.stamp.mtime_ns / 1e9 > HOLD_SECONDS:
                known.release()

    async def drain_hot(self, stop: asyncio.Event) -> None:
        """Looks at what was notified."""
        self._apply_tombstones()
        while self.hints and not stop.is_set():
            known = self.registry.located(self.hints.take())
            if known and not known.is_forgotten:
                await self.check(known, stop, hot=True)
                if not self.hints:
                    await self.flush()

    async def rest(self, stop: asyncio.Event) -> float:
        """Ships torn last lines that have rested; seconds until the next one is due, inf if none."""
        due = self.resting.due()
        for known in due:
            if stop.is_set():
                return 0.0
            await self.check(known, stop)
        if due:
            await self.flush()
        return self.resting.seconds()

    async def check(self, known: TrackedFile, stop: asyncio.Event, *, hot: bool = False) -> None:
        """Captures what is new in one file. A file that cannot be read is counted and left for the next look."""
        while not known.is_forgotten:
            try:
                result, rested = await asyncio.to_thread(self._read_next, known)
            except OSError as error:
                self._cannot_read(known, error)
                return
            self.beat.polled()
            self.unreadable.pop(known.full, None)
            await self._took(known, result, rested=rested)
            self.report()
            if not result.more or not result.messages or stop.is_set():
                return
            if not hot:
                await self.drain_hot(stop)

    def _read_next(self, known: TrackedFile) -> tuple[ReadResult, bool]:
        """In a thread, with all that may wait for a disk."""
        rested = self.resting.has_rested(known)
        return read_next(known, self.files, self.clock.now(), rested=rested), rested

    def _cannot_read(self, known: TrackedFile, error: OSError) -> None:
        self.dirty = True
        known.release()
        self.resting.drop(known)
        reason = error.strerror or str(error)
        if known.full not in self.unreadable:
            log.warning("cannot read file, will retry", file=known.name, error=reason)
        self.unreadable[known.full] = reason

    async def _took(self, known: TrackedFile, result: ReadResult, *, rested: bool) -> None:
        """Books one reading and hands its messages on."""
        self.dirty = True
        if result.rewritten:
            self.rewritten += 1
            log.info("file rewritten; new generation", file=known.name, generation=known.generation)
        if result.torn:
            self.resting.wait_for(known, rested=rested)
        else:
            known.rest_until = 0.0
            self.resting.drop(known)
        self.lines.tally(result.counts)
        if known.cursor:
            self.active.add(known)
        known.sweep = -1 if result.gone else max(known.sweep, self.sweeps)
        if known.transcript in self.positions.forgotten:
            known.ignored = FORGOTTEN
            return
        for number, message in enumerate(result.messages, start=1):
            position: Position | None = None
            if number == len(result.messages) and known.origin and known.cursor:
                position = (known, known.cursor.generation, known.cursor.end)
            await self.outbox.add(message, position)

    async def flush(self) -> None:
        """Returns after everything read so far is stored."""
        await self.outbox.flush(lambda: meanwhile.look(self))

    def _stored(self, position: Position) -> None:
        """The log has acknowledged a position."""
        self.dirty = True
        known, generation, end = position
        self.published[known.source] += end - known.stored_end
        known.stored_generation, known.stored_end = generation, end

    def report(self, *, now: bool = False) -> None:
        """The numbers for the next heartbeat."""
        moment = self.clock.monotonic()
        if not now and moment - self._reported < REPORT_SECONDS:
            return
        self._reported = moment
        if self.dirty:
            self.beat.tell(**figures_of(self))
            self.dirty = False
        self.beat.tell(**counters(self))
