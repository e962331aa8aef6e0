"""How much a worker asks for at once, so that none holds what others could do. Pure but for its state.

    what waits ÷ twice the workers ──┐
                                     ├──▶ the least, from 1 to the consumer's batch
    seconds of work ─────────────────┘

The share is guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987): portions
become smaller with what is left, so that all workers finish at about the same time.
"""

from __future__ import annotations

WEIGHT = 0.3
"""Of the last portion in the mean time of a message."""
ALONE = 2
"""Times as much work for who is alone: large batches are cheaper, and only a stop, or one who joins, waits for them."""


class Portion:
    """Of one worker. `seconds` of work at most, by what its messages took so far; 0 = always `most` messages."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._waiting = 0
        self._each = 0.0
        """Seconds that a message takes; 0 = not known."""

    def size(self, workers: int) -> int:
        """Messages to ask for now, as one of so many workers. After a rest nobody knows what waits: then one."""
        if not self.seconds:
            return self.most
        fair = self._waiting / (2 * workers) if workers > 1 else self.most
        seconds = self.seconds if workers > 1 else ALONE * self.seconds
        timed = seconds / self._each if self._each else 1.0
        return max(1, int(min(self.most, fair, timed)))

    def done(self, count: int, waiting: int, seconds: float) -> None:
        """`count` messages took so long, and `waiting` others were there when they came."""
        each = seconds / count
        self._each = each if not self._each else (1 - WEIGHT) * self._each + WEIGHT * each
        self._waiting = waiting
