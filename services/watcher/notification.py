"""File notification: turns changes on disk into hints for the capture."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

from watchfiles import Change, awatch

from contracts import sources
from runtime.disk.files import walk
from runtime.logs import Log
from runtime.tasks import either
from services.watcher.capture import Capture
from services.watcher.settings import Settings

log = Log("mnemo.watcher")

TIMING: dict[str, Any] = {"debounce": 60, "step": 15}
"""Milliseconds: changes are handed on when none came for `step`, at the latest after `debounce`."""


class Notification:
    """File notification: wakes the capture early. Whatever it misses the next sweep finds.

    `mode` in the heartbeat says what works: `notify`, or `poll` where notification is off, refused (watch limits), or
    silent although files change (network and bind mounts).
    """

    def __init__(self, capture: Capture, settings: Settings, stop: asyncio.Event) -> None:
        self.capture = capture
        self.settings = settings
        self.stop = stop
        self.folders: list[str] = []
        self.again = asyncio.Event()
        self.silent = 0
        """Sweeps in a row that found changes while no notification came at all."""
        self.refused = ""

    def is_set(self) -> bool:
        """True when watching must end: the process stops, or other folders are there than before."""
        return self.stop.is_set() or self.again.is_set()

    def set(self) -> None:
        """Called by the watching thread when it is cancelled."""
        self.again.set()

    def swept(self) -> None:
        """After a sweep: judges the notifications by what the sweep found."""
        capture = self.capture
        if capture.sweeps > 1 and capture.unannounced and not capture.hints.heard:
            self.silent += 1
        elif capture.hints.heard:
            self.silent = 0
        if self._present() != self.folders:
            self.again.set()
        self._tell()

    def _present(self) -> list[str]:
        return [root.folder for root in self.capture.roots if os.path.isdir(root.folder)]

    def _tell(self) -> None:
        working = self.settings.notify and self.folders and not self.refused and self.silent < 2
        silent = "files change but no notifications arrive" if self.silent >= 2 else ""
        self.capture.beat.tell(mode="notify" if working else "poll", mode_reason=self.refused or silent)

    async def run(self) -> None:
        """Turns notifications into hints until the stop."""
        while self.settings.notify and not self.stop.is_set():
            self.again.clear()
            self.folders = self._present()
            try:
                if self.folders:
                    self.refused = ""
                    self._tell()
                    async for changes in awatch(*self.folders, stop_event=self, watch_filter=_transcripts, **TIMING):
                        self.capture.hints.add(file for _, path in changes for file in _files(path))
            except (OSError, RuntimeError) as error:
                self.refused = str(error)
                self._tell()
                log.warning("file notifications unavailable; sweeps continue", error=self.refused)
                self.again.clear()
            if not self.again.is_set():
                await either(self.again, self.stop, within=4 * self.settings.sweep_seconds)
        self._tell()


def _transcripts(change: Change, path: str) -> bool:
    if path.removesuffix(sources.PACKED).endswith(sources.ENDINGS) or sources.attached(path):
        return True
    return change is Change.added and os.path.isdir(path) and not os.path.islink(path)


def _files(path: str) -> Iterator[str]:
    """The path, or the files in a new folder: they may be older than the watch on it."""
    if not os.path.isdir(path) or os.path.islink(path):
        yield path
        return
    for file, _ in walk(path, lambda _: "", []):
        yield os.path.join(path, *file.split("/"))
