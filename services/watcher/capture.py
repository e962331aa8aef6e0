"""Captures files one after the other: newest first, a file that just changed before the backlog.

Messages of several files share atomic batches. While one batch is being stored the next piece is read.
In memory a cursor runs ahead of the log by what is being stored; a batch is repeated, byte for byte,
until it is stored, and if the process dies the cursor dies with it: the log alone says what is captured.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable

from contracts import codec
from contracts.events import Checkpoint
from runtime.bus import Bus, Message
from runtime.clock import Clock, iso
from runtime.errors import NoSpace, Transient
from runtime.heartbeat import Beat
from runtime.logs import Log
from services.watcher import discover
from services.watcher.changes import Seen
from services.watcher.discover import Found
from services.watcher.formats import claude_code
from services.watcher.reading import Known, read
from services.watcher.segments import SOURCE, Place
from services.watcher.settings import Settings

log = Log("mnemo.capture")

BATCH_MESSAGES = 64
BATCH_BYTES = 6 * 1024 * 1024
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)


class Capture:
    """All known files and the way of their bytes to the log."""

    def __init__(
        self, bus: Bus, settings: Settings, roots: list[str], positions: dict[str, Checkpoint], beat: Beat
    ) -> None:
        self.bus = bus
        self.settings = settings
        self.roots = roots
        self.positions = positions
        self.beat = beat
        self.clock: Clock = beat.clock
        self.known: dict[Found, Known] = {}
        self.hot: deque[str] = deque()
        """Full paths that were notified and not looked at yet."""
        self.wake = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.unreadable: dict[Found, str] = {}
        self.sweeps = 0
        self._batch: list[Message] = []
        self._bytes = 0
        self._storing: asyncio.Task[None] | None = None

    def notified(self, paths: Iterable[str]) -> None:
        """Hints that these files changed."""
        self.hot.extend(dict.fromkeys(paths))
        self.wake.set()

    async def sweep(self, stop: asyncio.Event) -> None:
        """Looks at every file once; hot ones first, at any time."""
        found, problems = await asyncio.to_thread(discover.scan, self.roots)
        for problem in problems:
            log.warning("cannot list", problem=problem)
        self.counts["unlistable"] = len(problems)
        for where, seen in found:
            self._file(where).size = seen.size
        self.report()
        for where, seen in found:
            if stop.is_set():
                return
            await self.drain_hot(stop)
            await self.look(where, seen)
        await self.flush()
        self.sweeps += 1
        self.beat.polled()
        self.report()

    async def drain_hot(self, stop: asyncio.Event) -> None:
        """Looks at what was notified, and at torn lines whose rest is over."""
        while self.hot and not stop.is_set():
            full = self.hot.popleft()
            if located := discover.locate(self.roots, full):
                await self.look(*located)
                if not self.hot:
                    await self.flush()

    async def rest(self, stop: asyncio.Event) -> float:
        """Ships torn last lines that have rested; seconds until the next one is due, inf if none."""
        now = self.clock.monotonic()
        due = [where for where, known in self.known.items() if 0 < known.rest_until <= now]
        for where in due:
            if stop.is_set():
                return 0.0
            if located := discover.locate(self.roots, where.full):
                await self.look(*located)
            else:
                self.known[where].rest_until = 0.0
        if due:
            await self.flush()
        return min((k.rest_until - now for k in self.known.values() if k.rest_until), default=float("inf"))

    async def look(self, where: Found, seen: Seen) -> None:
        """Captures what is new in one file. A file that cannot be read is counted and left for the next look."""
        known = self._file(where)
        more = True
        while more:
            rested = self._rested(known, seen)
            try:
                piece = await asyncio.to_thread(
                    read,
                    known,
                    where.full,
                    seen,
                    iso(self.clock.now()),
                    segment=self.settings.segment_bytes,
                    rested=rested,
                )
            except OSError as error:
                if where not in self.unreadable:
                    log.warning("cannot read, will try again", file=where.full, error=error.strerror or str(error))
                self.unreadable[where] = error.strerror or str(error)
                return
            self.unreadable.pop(where, None)
            if piece.rewritten:
                self.counts["rewritten"] += 1
                log.info("rewritten: a new generation", file=where.full, generation=known.generation)
            if piece.torn:
                known.rest_until = known.rest_until if rested else self._rest_until(seen)
            else:
                known.rest_until = 0.0
            self._tally(piece.counts)
            for message in piece.messages:
                await self._add(message)
            more = piece.more and bool(piece.messages)
            seen = known.seen or seen

    def _rested(self, known: Known, seen: Seen) -> bool:
        """True when an unterminated last line can be taken as finished."""
        old = self.clock.now() - seen.mtime_ns / 1e9 >= self.settings.settle_seconds
        return old or bool(known.rest_until and known.seen == seen and self.clock.monotonic() >= known.rest_until)

    def _rest_until(self, seen: Seen) -> float:
        age = max(0.0, self.clock.now() - seen.mtime_ns / 1e9)
        return self.clock.monotonic() + max(0.05, self.settings.settle_seconds - age)

    def _file(self, where: Found) -> Known:
        known = self.known.get(where)
        if known is None:
            host = self.settings.host_name
            transcript = codec.transcript_id(SOURCE, host, where.root, where.path)
            place = Place(transcript, host, where.root, where.path, claude_code.context(where.path))
            known = self.known[where] = Known(place, self.positions.pop(transcript, None))
        return known

    async def _add(self, message: Message) -> None:
        if self._bytes + len(message.payload) > BATCH_BYTES and self._batch:
            await self._store()
        self._batch.append(message)
        self._bytes += len(message.payload)
        if len(self._batch) >= BATCH_MESSAGES:
            await self._store()

    async def flush(self) -> None:
        """Returns after everything read so far is stored."""
        await self._store()
        if self._storing:
            await self._storing
            self._storing = None

    async def _store(self) -> None:
        if self._storing:
            await self._storing
            self._storing = None
        if self._batch:
            batch, self._batch, self._bytes = self._batch, [], 0
            self._storing = asyncio.create_task(self._publish(batch), name="store")

    async def _publish(self, batch: list[Message]) -> None:
        """Repeats the very same messages until they are stored: their ids make a repeat harmless."""
        self.beat.began(len(batch))
        attempt = 0
        while True:
            try:
                await self.bus.publish_all(batch)
                break
            except Transient as error:
                self.beat.failed_with(error)
                full = isinstance(error, NoSpace)
                log.warning("log is full, capture pauses" if full else "not stored yet", error=str(error))
                await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                self.beat.began(len(batch))
                attempt += 1
        self.counts["segments"] += len(batch)
        self.beat.began(0)
        self.beat.succeeded(len(batch))
        self.report()

    def _tally(self, counts: dict[str, int]) -> None:
        for name, count in counts.items():
            kind = name.partition(":")[0]
            if kind in ("damaged", "unknown"):
                self.counts[kind] += count
                self.counts[name] += count

    def report(self) -> None:
        """The numbers for the next heartbeat."""
        size = sum(known.size for known in self.known.values())
        captured = sum(min(known.captured, known.size) for known in self.known.values())
        behind = sum(1 for w, known in self.known.items() if known.captured < known.size and w not in self.unreadable)
        waiting = self._bytes
        self.beat.gauges = {
            "files": len(self.known),
            "files_behind": behind,
            "discovered_bytes": size,
            "captured_bytes": captured,
            "backlog_bytes": size - captured + waiting,
            "unreadable_files": len(self.unreadable),
            "sweeps": self.sweeps,
            **{name: float(value) for name, value in self.counts.items()},
        }
        if self.unreadable:
            self.beat.notes["unreadable"] = "; ".join(f"{w.path}: {e}" for w, e in list(self.unreadable.items())[:3])
        else:
            self.beat.notes.pop("unreadable", None)
