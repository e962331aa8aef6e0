"""The one place that reads clocks; everything else takes time as an argument."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamps, monotonic time for ages; both in seconds."""

    def now(self) -> float:
        """Unix time."""
        ...

    def monotonic(self) -> float:
        """Time that never jumps; its zero means nothing."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the clock

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        """`now` as a date."""
        return datetime.fromtimestamp(self.now(), UTC)


PACE_SECONDS = 10.0
"""Rates are those of so many last seconds: an average since the start tells of the start."""


class Pace:
    """Growth of a count per second over the last seconds."""

    def __init__(self, seconds: float = PACE_SECONDS) -> None:
        self._seconds = seconds
        self._looks: deque[tuple[float, int]] = deque()

    def at(self, now: float, count: int) -> float:
        """The rate at `now`, with one more look.

        >>> pace = Pace(10.0)
        >>> [pace.at(*look) for look in ((0.0, 0), (5.0, 100), (15.0, 100), (20.0, 100))]
        [0.0, 20.0, 0.0, 0.0]
        """
        if self._looks and count < self._looks[-1][1]:  # a process was started again and counts anew
            self._looks.clear()
        self._looks.append((now, count))
        while len(self._looks) > 2 and self._looks[1][0] <= now - self._seconds:
            self._looks.popleft()
        first, before = self._looks[0]
        return (count - before) / (now - first) if now > first else 0.0
