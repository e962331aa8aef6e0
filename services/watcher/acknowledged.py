"""What the log has acknowledged, by transcript and by source. Pure but for its state."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a type only: this module does no I/O
    from mnemostream.services.watcher.outbox import Position


class Acknowledged:
    """Fed with the position of every stored segment."""

    def __init__(self) -> None:
        self.published: Counter[str] = Counter()
        """Bytes of the current generations that the log holds, by source."""
        self.ends: dict[str, tuple[int, int]] = {}
        """Generation and end, by transcript."""

    def stored(self, position: Position) -> None:
        """A segment was acknowledged."""
        transcript, source, generation, end = position
        self.published[source] += end - self.ends.get(transcript, (0, 0))[1]
        self.ends[transcript] = (generation, end)

    def forget(self, transcript: str, source: str) -> tuple[int, int]:
        """A tombstone was applied; the generation and end that were there."""
        generation, end = self.ends.pop(transcript, (0, 0))
        self.published[source] -= end
        return generation, end
