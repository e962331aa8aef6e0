"""All databases: finds them, looks at them when they have changed and rested, and hands their row logs to the capture.

commit ──notify──▶ hint ──250 ms without a change, 2 s at most──▶ look (thread) ──▶ row logs ──▶ capture
   └───────────────────────── every sweep: signature ─────────────┘
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from watchfiles import awatch

from mnemostream.contracts import sources
from mnemostream.contracts.sources import Root
from mnemostream.runtime.disk import projects
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process.home import home
from mnemostream.runtime.rows.found import beside, usual
from mnemostream.runtime.rows.names import BESIDE
from mnemostream.runtime.rows.opening import Busy, is_database
from mnemostream.runtime.tasks import either
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.rows.identify import assistant_of
from mnemostream.services.watcher.rows.memory import give_back
from mnemostream.services.watcher.rows.source import Look, RowSource
from mnemostream.services.watcher.settings import Settings

log = Log("mnemo.rows")

ENDINGS = (".db", ".sqlite", ".sqlite3", ".vscdb")
PROJECTS_SECONDS = 300.0
"""Time between two looks for stores of assistants beside the code of projects, seconds."""
SETTLE_SECONDS, MOST_SETTLE_SECONDS = 0.25, 2.0
TIMING: dict[str, Any] = {"debounce": 100, "step": 50}
"""Milliseconds: the library looks for changes once in `step`, all day; a look waits longer than that anyway."""


class Databases:
    """Fed by notifications and sweeps."""

    def __init__(self, capture: Capture, settings: Settings) -> None:
        self.capture = capture
        self.settings = settings
        self.known: dict[str, RowSource] = {}
        self.problems: dict[str, str] = {}
        """Databases that cannot be read now, and why: their changes are a backlog, no fault of the line."""
        self.foreign: set[str] = set()
        self._looked_at = float("-inf")
        self._beside: dict[str, str] = {}
        self._due: dict[str, tuple[float, float]] = {}
        """Times at which a database is looked at: after its last change, and at the latest."""
        self.more = asyncio.Event()
        give_back()

    @property
    def enabled(self) -> bool:
        """False where no folder is given for the row logs."""
        return bool(self.settings.rows_folder)

    def discover(self) -> None:
        """Finds databases that are new. Asks the disk."""
        for path, source in self._candidates():
            if path in self.known or path in self.foreign or not is_database(path):
                continue
            place = (
                Path(self.settings.rows_folder) / f"{Path(path).stem}-{hashlib.sha256(path.encode()).hexdigest()[:16]}"
            )
            try:
                name = source or assistant_of(Path(path), place)
            except Busy:
                continue  # asked again at the next sweep
            if not name:
                self.foreign.add(path)
                continue
            one = self.known[path] = RowSource(path, name, place, self.capture.beat.polled)
            root = Root(path, name, rows=str(place))
            one.muted = partial(self._is_forgotten, root)
            self.capture.registry.add(root)
            log.info("database found", source=name, database=path)
            self.more.set()

    def _candidates(self) -> Iterator[tuple[str, str]]:
        if self._watches_defaults:
            yield from (self._beside | usual(os.environ, home())).items()
        for root in self.capture.roots:
            if root.rows or root.source == sources.CANARY or root.files or root.ours:  # a person has named the others
                continue
            name = "" if root.source == sources.AUTO else root.source
            for path, _ in walk(root.folder, _unlike_database, []):
                full = os.path.join(root.folder, *path.split("/"))
                if not root.seals(path):
                    yield full, name

    @property
    def _watches_defaults(self) -> bool:
        return not self.settings.roots or sources.DEFAULTS in self.settings.roots

    def _is_forgotten(self, root: Root, name: str) -> bool:
        return self.capture.positions.is_forgotten(root, name, self.capture.registry.host)

    def hint(self, paths: Iterable[str]) -> None:
        """Files beside databases changed."""
        now = self.capture.clock.monotonic()
        for path in paths:
            for end in ("", *BESIDE):
                name = path.removesuffix(end) if end else path
                if name in self.known:
                    _, latest = self._due.get(name, (0.0, now + MOST_SETTLE_SECONDS))
                    self._due[name] = (now + SETTLE_SECONDS, latest)
                    self.capture.hints.wake.set()

    def seconds(self) -> float:
        """Until the next look is due; inf if none is."""
        now = self.capture.clock.monotonic()
        return min((max(0.0, min(due) - now) for due in self._due.values()), default=float("inf"))

    async def due(self, stop: asyncio.Event) -> None:
        """Looks at those that have rested."""
        now = self.capture.clock.monotonic()
        for path in [path for path, times in self._due.items() if min(times) <= now]:
            del self._due[path]
            if not stop.is_set():
                await self._look(self.known[path])

    def look_at_projects(self) -> None:
        """Finds what assistants have begun to keep beside the code of projects, now and then. Asks the disk."""
        now = self.capture.clock.monotonic()
        if not self._watches_defaults or now - self._looked_at < PROJECTS_SECONDS:
            return
        self._looked_at = now
        self._beside = beside(os.environ, home())
        for root in projects.roots(os.environ, home()):
            folders = [one.folder for one in self.capture.roots if not one.rows and not one.flat]
            if not any(Path(root.folder).is_relative_to(folder) for folder in folders):
                self.capture.registry.add(root)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Looks at every database whose signature has changed, or whose rows are to be compared."""
        await asyncio.to_thread(self.look_at_projects)
        if not self.enabled:
            return
        await asyncio.to_thread(self.discover)
        now = self.capture.clock.now()
        for one in self.known.values():
            if stop.is_set():
                return
            await self._look(one, deep=one.is_due(now))

    async def _look(self, one: RowSource, *, deep: bool = False) -> None:
        began = self.capture.clock.monotonic()
        found: Look = await asyncio.to_thread(one.look, self.capture.clock.now(), deep=deep)
        if deep:
            one.cost = self.capture.clock.monotonic() - began
        self.capture.beat.polled()
        if found.problem and self.problems.get(one.path) != found.problem:
            log.warning("cannot read database, will retry", database=one.path, error=found.problem)
        if found.problem:
            self.problems[one.path] = found.problem
            self.capture.unreadable[one.path] = found.problem
        elif self.problems.pop(one.path, None):
            self.capture.unreadable.pop(one.path, None)
        if found.left_out:
            self.capture.left_out[one.path] = found.left_out
            self.capture.dirty = True
            log.info("tables that are not captured, with their rows", database=one.path, tables=found.left_out)
        if found.changed:
            self.capture.hints.add(found.changed)

    async def watch(self, stop: asyncio.Event) -> None:
        """Turns notifications of the folders of databases into hints."""
        while self.enabled and self.settings.notify and not stop.is_set():
            folders = await asyncio.to_thread(self._folders)
            self.more.clear()
            if not folders:
                await either(self.more, stop, within=self.settings.sweep_seconds)
                continue
            try:
                async for changes in awatch(*folders, recursive=False, stop_event=_Either(self.more, stop), **TIMING):
                    self.hint(path for _, path in changes)
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # panics of the library's Rust are no Exception; the sweeps go on
                log.warning("no notifications of databases; sweeps continue", error=str(error))
                await either(self.more, stop, within=self.settings.sweep_seconds)

    def _folders(self) -> list[str]:
        return sorted({folder for path in self.known if os.path.isdir(folder := os.path.dirname(path))})

    def close(self) -> None:
        """Ends all connections."""
        for one in self.known.values():
            one.close()


class _Either(msgspec.Struct):
    """Set when one of two events is; what watchfiles needs of an event."""

    more: Any
    stop: Any

    def is_set(self) -> bool:
        """True if watching must end."""
        return bool(self.more.is_set() or self.stop.is_set())

    def set(self) -> None:
        """Called by the watching thread when it is cancelled."""
        self.more.set()


def _unlike_database(path: str) -> str:
    return "" if path.endswith(ENDINGS) else "no database"
