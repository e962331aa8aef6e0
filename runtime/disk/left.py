"""What lies below watched folders and is not captured: reasons, counts, a few names. Pure."""

from __future__ import annotations

import msgspec

from mnemostream.contracts import codec


class Left(msgspec.Struct):
    """What lies below a folder and is not looked into, by reason; a few names of each."""

    counts: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    MOST_NAMES = 3

    def add(self, reason: str, path: str) -> None:
        """Counts one entry."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        named = self.names.setdefault(reason, [])
        if len(named) < self.MOST_NAMES:
            named.append(codec.printable(path))

    def drop(self, reason: str) -> None:
        """Forgets what is captured in another way."""
        self.counts.pop(reason, None)
        self.names.pop(reason, None)

    def merge(self, other: Left) -> None:
        """Adds what was left elsewhere."""
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            named = self.names.setdefault(reason, [])
            named += other.names[reason][: self.MOST_NAMES - len(named)]

    def examples(self) -> str:
        """The names by reason, for people."""
        return "; ".join(f"{reason}: {', '.join(names)}" for reason, names in sorted(self.names.items()))
