"""File notification: turns changes on disk into hints for the capture."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

from watchfiles import Change, awatch

from mnemostream.contracts import sources
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import either
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.settings import Settings

log = Log("mnemo.watcher")

TIMING: dict[str, Any] = {"debounce": 60, "step": 15}
"""Milliseconds: changes are handed on when none came for `step`, at the latest after `debounce`."""

PATIENCE, MOST_PATIENCE = 2, 64
"""After so many sweeps, doubled each time up to so many, notifications that failed are tried again."""


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
        self.refused: dict[str, str] = {}
        """Why folders have no notifications."""
        self.rested = 0
        """Sweeps since they were asked for."""
        self.patience = PATIENCE

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
        self.rested += 1
        if self._present() != self.folders or (self.refused and self.rested >= self.patience):
            self.again.set()
        self._tell()

    def _present(self) -> list[str]:
        return [
            root.folder for root in self.capture.roots if not root.rows and not root.flat and os.path.isdir(root.folder)
        ]

    @property
    def works(self) -> bool:
        """True while notifications of all folders come, as far as one can know."""
        return bool(self.settings.notify and self.folders and not self.refused and self.silent < 2)

    def _tell(self) -> None:
        silent = "files change but no notifications arrive" if self.silent >= 2 else ""
        reasons = dict.fromkeys(self.refused.values())
        self.capture.beat.tell(mode="notify" if self.works else "poll", mode_reason="; ".join(reasons) or silent)

    async def run(self) -> None:
        """Turns notifications into hints until the stop. A folder whose notifications fail is left to the sweeps, the
        others keep theirs; it is tried again, each time later."""
        while self.settings.notify and not self.stop.is_set():
            self.again.clear()
            self.folders, self.rested = self._present(), 0
            self.refused.clear()
            while not self.is_set() and (watched := [each for each in self.folders if each not in self.refused]):
                self._tell()
                try:
                    async for changes in awatch(*watched, stop_event=self, watch_filter=_transcripts, **TIMING):
                        self.capture.hints.add(file for _, path in changes for file in _files(path))
                except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as error:  # groups, and panics of the library's Rust, which are no Exception
                    self._refuse(watched, error)
            self._tell()
            if not self.is_set():
                await either(self.again, self.stop, within=MOST_PATIENCE * self.settings.sweep_seconds)
        self._tell()

    def _refuse(self, watched: list[str], error: BaseException) -> None:
        """Notes the folder that an error names, or else all."""
        why = _reason(error)
        named = [folder for folder in watched if f'"{folder}{os.sep}' in why]
        self.refused |= dict.fromkeys(named or watched, why)
        self.patience = min(2 * self.patience, MOST_PATIENCE)
        log.warning("file notifications unavailable; sweeps continue", error=why, folders=len(named or watched))
        self.again.clear()


def _reason(error: BaseException) -> str:
    """What a person can use of it: the first error in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


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
