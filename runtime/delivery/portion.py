"""How much a worker asks for at once, so that none holds what others could do. Pure but for its state.

    what waits ÷ SHARES ──┐
                          ├──▶ the least, from 1 to the consumer's batch
    seconds of work ──────┘

The share is guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987): portions
become smaller with what is left, so that all workers finish at about the same time, and nobody needs to know how many
they are.
"""

from __future__ import annotations

SHARES = 32
"""Of what waits, a worker takes one at a time: twice as many as there are workers, up to 16 of them."""
WEIGHT = 0.3
"""Of the last portion in the mean time of a message."""


class Portion:
    """Of one worker. `seconds` of work at most, by what its messages took so far; 0 = always `most` messages."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._waiting = 0
        self._each = 0.0
        """Seconds that a message takes; 0 = not known."""

    def size(self) -> int:
        """Messages to ask for now. What waits after a rest nobody knows: one."""
        if not self.seconds:
            return self.most
        timed = self.seconds / self._each if self._each else 1.0
        return max(1, int(min(self.most, self._waiting / SHARES, timed)))

    def done(self, count: int, waiting: int, seconds: float) -> None:
        """`count` messages took so long, and `waiting` others were there when they came."""
        each = seconds / count
        self._each = each if not self._each else (1 - WEIGHT) * self._each + WEIGHT * each
        self._waiting = waiting
