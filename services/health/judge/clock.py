"""Observed time: a clock that stands still while this process slept or the bus was away. Pure.

Nobody can be blamed for time in which nobody could be heard. All that was seen is kept in observed time, so that a
machine which slept for three hours, or a bus which was lost for ten minutes, makes nothing older; wall time is for
people only, at the edge.
"""

from __future__ import annotations

from collections import deque

SLEPT_SECONDS = 8.0
"""Between two ticks: more, and this process did not run. Less than a heartbeat before what counts as silence."""
BACK_SECONDS = 1.0
"""A clock that goes back by more than this was set."""
MOST_GAPS = 1000


class ObservedClock:
    """`tick` with every look at the wall clock; `observed` turns wall times of others into observed time."""

    def __init__(self, wall: float) -> None:
        self.away = False
        """True while the bus is away: time stands still."""
        self._wall = wall
        self._lost = 0.0
        """Seconds of wall time that were not observed, in all."""
        self.resumed_at = float("-inf")
        """Observed time at which the last gap ended."""
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MOST_GAPS)
        """Beginning (wall time) and length of the latest of them."""

    @property
    def now(self) -> float:
        """Observed time at the last tick, seconds."""
        return self._wall - self._lost

    @property
    def wall(self) -> float:
        """Wall time at the last tick, seconds."""
        return self._wall

    def tick(self, wall: float) -> float:
        """Moves on to wall time `wall`; returns the observed time."""
        begin, gap = self._wall, wall - self._wall
        self._wall = wall
        if gap < -BACK_SECONDS:
            # The clock was set back. No gap is noted: times that are told from now on are in its new frame already.
            self._lost += gap
            self._gaps = deque(((at + gap, length) for at, length in self._gaps), maxlen=MOST_GAPS)
        elif self.away or gap > SLEPT_SECONDS:
            self._lost += gap
            self.resumed_at = self.now
            if gap > 0:
                self._note(begin, gap)
        return self.now

    def _note(self, begin: float, gap: float) -> None:
        if self._gaps and sum(self._gaps[-1]) == begin:  # the same outage goes on
            begin, length = self._gaps.pop()
            gap += length
        self._gaps.append((begin, gap))

    def observed(self, wall: float) -> float:
        """The observed time of a moment that a wall clock showed: without the gaps that came after it."""
        after = sum(min(length, max(0.0, begin + length - wall)) for begin, length in self._gaps)
        return wall - self._lost + after

    def wall_time(self, observed: float) -> float:
        """About the wall time of an observed moment, for people: as old as it is by this clock."""
        return self._wall - (self.now - observed)
