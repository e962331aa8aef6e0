"""Captures files one after the other: newest first, a file that just changed before the backlog.

Messages of several files share atomic batches. While one batch is being stored the next piece is read.
In memory a cursor runs ahead of the log by what is being stored; a batch is repeated, byte for byte,
until it is stored, and if the process dies the cursor dies with it: the log alone says what is captured.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from contextlib import suppress

from contracts import codec
from contracts.sources import Root
from contracts.vitals import WatcherVitals
from runtime.clock import Clock
from runtime.files import Stat, stat_of, walk
from runtime.heartbeat import Beat
from runtime.logs import Log
from services.watcher.catalog import Positions
from services.watcher.changes import rest_needed
from services.watcher.known import Files, Known, Piece
from services.watcher.ledger import figures
from services.watcher.outbox import Outbox, Position, Sink
from services.watcher.reading import step
from services.watcher.settings import Settings

log = Log("mnemo.capture")

ACTIVE = 128
"""Files whose cursor stays in memory."""
MIN_TOUCH_SECONDS = 2.0
HOLD_SECONDS = 30.0
"""A file that rested so long is closed: an open file would keep its folder from being unmounted."""
REPORT_SECONDS = 0.5
MOST_COUNTS = 60
"""Kinds of damaged and unknown lines that are counted by name; the others are in the sums."""


class Capture:
    """All known files and the way of their bytes to the log."""

    def __init__(self, bus: Sink, settings: Settings, roots: list[Root], positions: Positions, beat: Beat) -> None:
        self.bus = bus
        self.settings = settings
        self.roots = roots
        self.positions = positions
        self.beat = beat
        beat.vitals = WatcherVitals(host=settings.host_name)
        self.clock: Clock = beat.clock
        self.files = Files(settings.host_name, settings.segment_bytes, settings.include, settings.exclude, beat.polled)
        self.known: dict[Root, dict[str, Known]] = {root: {} for root in roots}
        self.active: OrderedDict[str, Known] = OrderedDict()
        """Files with a cursor in memory, the least recently read one first."""
        self.resting: dict[str, Known] = {}
        """Files with an unterminated last line."""
        self.hot: OrderedDict[str, None] = OrderedDict()
        """Full paths that were notified and not looked at yet."""
        self.tombstones: deque[str] = deque()
        self.wake = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.unreadable: dict[str, str] = {}
        """Files that cannot be read, and why."""
        self.unlistable: list[str] = []
        """What the last sweep could not list, and why."""
        self.published: Counter[str] = Counter()
        """Bytes of the current generations that the log holds, by source."""
        self.sweeps = 0
        self.sweep_period = settings.sweep_seconds
        """Time from one sweep to the next, seconds."""
        self.hints = 0
        """Notifications since the last sweep."""
        self.unannounced = 0
        """Changes that the last sweep found and no notification had named."""
        self.heard = 0
        """Notifications between the last two sweeps."""
        self.changed = 0
        """Files in which the last sweep found something to look at."""
        self._ends: dict[str, tuple[int, int]] = {}
        for name, last in positions.checkpoints.items():
            self._stored((name, positions.sources[name], last.generation, last.end))
        self.outbox = Outbox(bus, beat, self._stored)
        self._reported = 0.0
        self.dirty = True
        """True if the figures may have changed since the last report. Counting 25,000 idle files again would cost
        more than seeing them."""
        self._walked = 0

    def acknowledged(self) -> dict[str, tuple[int, int]]:
        """Generation and end of what the log has acknowledged, by transcript."""
        return dict(self._ends)

    def notified(self, paths: Iterable[str]) -> None:
        """Hints that these files changed."""
        for path in paths:
            self.hints += path not in self.hot
            self.hot[path] = None
        self.wake.set()

    def forget(self, transcript: str) -> None:
        """A tombstone was laid: this transcript is captured no more, from the next look on."""
        self.tombstones.append(transcript)
        self.wake.set()

    def _bury(self) -> None:
        while self.tombstones:
            self._forgotten(self.tombstones.popleft())

    def _forgotten(self, transcript: str) -> None:
        self.positions.forgotten.add(transcript)
        self.dirty = True
        for known in [k for table in self.known.values() for k in table.values()]:
            if known.transcript == transcript:
                known.ignored = "forgotten"
                known.put_away()
                known.cursor = known.checkpoint = None
        self.outbox.drop(transcript)
        generation, end = self._ends.pop(transcript, (0, 0))
        self.published[self.positions.sources.get(transcript, "")] -= end
        log.info("forgotten", transcript=transcript, generation=generation)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Looks at every file once; hot ones first, at any time."""
        self._bury()
        changed, problems = await asyncio.to_thread(self._scan)
        for problem in problems:
            log.warning("cannot list", problem=problem)
        self.unlistable = problems
        self.changed, self.heard, self.hints = len(changed), self.hints, 0
        self.unannounced = sum(1 for known, stat in changed if known.seen not in (None, stat))
        news = self.dirty
        self.report(now=True)
        for known, _ in changed:
            if stop.is_set():
                return
            await self.drain_hot(stop)
            await self.look(known, stop)
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
        await asyncio.to_thread(self._stat_roots)
        self.beat.polled()

    def _stat_roots(self) -> None:
        for root in self.roots:
            with suppress(OSError):
                os.stat(root.folder)

    def _scan(self) -> tuple[list[tuple[Known, Stat]], list[str]]:
        """Every file that may have something new, newest first, and what could not be listed."""
        problems: list[str] = []
        changed: list[tuple[Known, Stat]] = []
        number = self.sweeps + 1
        now = self.clock.now()
        unreadable: dict[str, str] = {}
        walked = 0
        for root in self.roots:
            try:
                os.stat(root.folder)
            except FileNotFoundError:
                continue  # an assistant that is not used here (yet)
            except OSError:
                pass  # the walk tells why
            table = self.known[root]
            for path, stat in walk(root.folder, root.owns, problems, self.beat.polled):
                walked += 1
                known = table.get(path) or self._file(root, path)
                known.sweep = number
                known.size = stat.size
                if known.full in self.unreadable:
                    unreadable[known.full] = self.unreadable[known.full]
                if known.seen != stat or known.full in self.unreadable:
                    if known.ignored != "forgotten":
                        changed.append((known, stat))
                elif known.unproven and now - stat.mtime_ns / 1e9 > rest_needed(stat.size):
                    changed.append((known, stat))
        self.dirty = self.dirty or bool(changed) or walked != self._walked
        self._walked = walked
        self.unreadable = unreadable  # what is gone is no problem any more
        changed.sort(key=lambda pair: pair[1].mtime_ns, reverse=True)
        return changed, problems

    async def _leave_absent(self, stop: asyncio.Event) -> None:
        """Reads the rest of files that are gone and still held open; closes those at rest."""
        now = self.clock.now()
        for known in list(self.active.values()):
            if known.file and known.sweep <= self.sweeps:
                await self.look(known, stop)
            elif known.file and now - known.stamp.mtime_ns / 1e9 > HOLD_SECONDS:
                known.release()

    async def drain_hot(self, stop: asyncio.Event) -> None:
        """Looks at what was notified."""
        self._bury()
        while self.hot and not stop.is_set():
            known = self._located(self.hot.popitem(last=False)[0])
            if known and known.ignored != "forgotten":
                await self.look(known, stop, hot=True)
                if not self.hot:
                    await self.flush()

    def _located(self, full: str) -> Known | None:
        for root in self.roots:
            if full.startswith(root.folder + os.sep):
                path = os.path.relpath(full, root.folder).replace(os.sep, "/")
                if root.owns(path) and (path in self.known[root] or os.path.isfile(full)):
                    return self.known[root].get(path) or self._file(root, path)
        return None

    async def rest(self, stop: asyncio.Event) -> float:
        """Ships torn last lines that have rested; seconds until the next one is due, inf if none."""
        now = self.clock.monotonic()
        due = [known for known in self.resting.values() if known.rest_until <= now]
        for known in due:
            if stop.is_set():
                return 0.0
            await self.look(known, stop)
        if due:
            await self.flush()
        return min((known.rest_until - now for known in self.resting.values()), default=float("inf"))

    async def look(self, known: Known, stop: asyncio.Event, *, hot: bool = False) -> None:
        """Captures what is new in one file. A file that cannot be read is counted and left for the next look."""
        while known.ignored != "forgotten":
            try:
                piece, rested = await asyncio.to_thread(self._step, known)
            except OSError as error:
                self._cannot_read(known, error)
                return
            self.beat.polled()
            self.unreadable.pop(known.full, None)
            await self._took(known, piece, rested=rested)
            self.report()
            if not piece.more or not piece.messages or stop.is_set():
                return
            if not hot:
                await self.drain_hot(stop)

    def _step(self, known: Known) -> tuple[Piece, bool]:
        """In a thread, with all that may wait for a disk."""
        rested = self._rested(known)
        return step(known, self.files, self.clock.now(), rested=rested), rested

    def _cannot_read(self, known: Known, error: OSError) -> None:
        self.dirty = True
        known.release()
        self.resting.pop(known.full, None)
        reason = error.strerror or str(error)
        if known.full not in self.unreadable:
            log.warning("cannot read, will try again", file=known.name, error=reason)
        self.unreadable[known.full] = reason

    async def _took(self, known: Known, piece: Piece, *, rested: bool) -> None:
        """Books one reading and hands its messages on."""
        self.dirty = True
        if piece.rewritten:
            self.counts["rewritten"] += 1
            log.info("rewritten: a new generation", file=known.name, generation=known.generation)
        if piece.torn:
            known.rest_until = known.rest_until if rested else self._rest_until(known)
            self.resting[known.full] = known
        else:
            known.rest_until = 0.0
            self.resting.pop(known.full, None)
        self._tally(piece.counts)
        if known.cursor:
            self._activate(known)
        known.sweep = -1 if piece.gone else max(known.sweep, self.sweeps)
        if known.transcript in self.positions.forgotten:
            known.ignored = "forgotten"
            return
        for number, message in enumerate(piece.messages, start=1):
            position: Position | None = None
            if number == len(piece.messages) and known.place and known.cursor:
                source = self.positions.sources[known.place.transcript] = known.place.format.name
                position = (known.place.transcript, source, known.cursor.generation, known.cursor.end)
            await self.outbox.add(message, position)

    def _activate(self, known: Known) -> None:
        self.active[known.full] = known
        self.active.move_to_end(known.full)
        for _ in range(len(self.active) - ACTIVE):
            name, oldest = self.active.popitem(last=False)
            if oldest.captured < oldest.size and not oldest.ignored:
                self.active[name] = oldest  # its handle is all that is left of it if it is deleted now
            else:
                oldest.put_away()

    def _rested(self, known: Known) -> bool:
        """True when an unterminated last line can be taken as finished."""
        try:
            seen = stat_of(os.stat(known.full))
        except OSError:
            return True
        old = self.clock.now() - seen.mtime_ns / 1e9 >= self.settings.settle_seconds
        return old or bool(known.rest_until and known.seen == seen and self.clock.monotonic() >= known.rest_until)

    def _rest_until(self, known: Known) -> float:
        age = max(0.0, self.clock.now() - known.stamp.mtime_ns / 1e9)
        return self.clock.monotonic() + max(0.05, self.settings.settle_seconds - age)

    def _file(self, root: Root, path: str) -> Known:
        host = self.files.host
        known = self.known[root][path] = Known(root, path, *self.positions.take(root, path, host))
        if self.positions.is_forgotten(root, path, host):
            known.ignored = "forgotten"
        return known

    async def flush(self) -> None:
        """Returns after everything read so far is stored."""
        await self.outbox.flush()

    def _stored(self, position: Position) -> None:
        """Books the position that the log has acknowledged."""
        transcript, source, generation, end = position
        self.dirty = True
        self.published[source] += end - self._ends.get(transcript, (0, 0))[1]
        self._ends[transcript] = (generation, end)

    def _tally(self, counts: dict[str, int]) -> None:
        for name, count in counts.items():
            kind = name.partition(":")[0]
            if kind in ("damaged", "unknown"):
                self.counts[kind] += count
                if name in self.counts or len(self.counts) < MOST_COUNTS:
                    self.counts[name] += count

    def report(self, *, now: bool = False) -> None:
        """The numbers for the next heartbeat."""
        moment = self.clock.monotonic()
        if not now and moment - self._reported < REPORT_SECONDS:
            return
        self._reported = moment
        if self.dirty:
            known = (k for table in self.known.values() for k in table.values())
            waiting = self.outbox.waiting_bytes
            self.beat.tell(**figures(known, self.sweeps, self.unreadable, self.published, self._ends, waiting=waiting))
            self.dirty = False
        worst = [f"{codec.printable(os.path.basename(name))}: {why}" for name, why in list(self.unreadable.items())[:3]]
        self.beat.tell(
            sweeps=self.sweeps,
            segments=self.outbox.sent,
            sweep_period_seconds=self.sweep_period,
            unannounced=self.unannounced,
            unlistable_folders=len(self.unlistable),
            unreadable="; ".join([*worst, *self.unlistable][:3]),
            rewritten=self.counts["rewritten"],
            damaged_lines=self.counts["damaged"],
            unknown_lines=self.counts["unknown"],
            lines={name: count for name, count in self.counts.items() if ":" in name},
        )
