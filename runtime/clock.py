"""The one place that reads clocks; everything else takes time as an argument."""

from __future__ import annotations

import time
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


def iso(now: float) -> str:
    """Unix time as ISO 8601 in UTC with milliseconds.

    >>> iso(0.0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
