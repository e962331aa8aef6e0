"""Files with an unterminated last line, which counts as finished when the file has rested."""

from __future__ import annotations

import os

from mnemostream.runtime.clock import Clock
from mnemostream.runtime.disk.files import stat_of
from mnemostream.services.watcher.files.tracked import TrackedFile

LEAST_SECONDS = 0.05


class Resting:
    """`settle_seconds` is how long a file must rest."""

    def __init__(self, clock: Clock, settle_seconds: float) -> None:
        self.clock = clock
        self.settle_seconds = settle_seconds
        self._files: dict[str, TrackedFile] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    def due(self) -> list[TrackedFile]:
        """Those that have rested."""
        now = self.clock.monotonic()
        return [known for known in self._files.values() if known.rest_until <= now]

    def seconds(self) -> float:
        """Until the next one has rested; inf if none waits."""
        now = self.clock.monotonic()
        return min((known.rest_until - now for known in self._files.values()), default=float("inf"))

    def has_rested(self, known: TrackedFile) -> bool:
        """True when an unterminated last line can be taken as finished. Asks the disk."""
        try:
            seen = stat_of(os.stat(known.full))
        except OSError:
            return True
        old = self.clock.now() - seen.mtime_ns / 1e9 >= self.settle_seconds
        return old or bool(known.rest_until and known.seen == seen and self.clock.monotonic() >= known.rest_until)

    def wait_for(self, known: TrackedFile, *, rested: bool) -> None:
        """Its last line is not terminated (yet)."""
        if not rested:
            age = max(0.0, self.clock.now() - known.stamp.mtime_ns / 1e9)
            known.rest_until = self.clock.monotonic() + max(LEAST_SECONDS, self.settle_seconds - age)
        self._files[known.full] = known

    def drop(self, known: TrackedFile) -> None:
        """Nothing of it waits any more."""
        self._files.pop(known.full, None)
