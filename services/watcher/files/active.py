"""Files whose cursor stays in memory and whose handle stays open, the least recently read one first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from mnemostream.services.watcher.files.tracked import TrackedFile

MOST = 128


class ActiveFiles:
    """A few files; older ones are put away."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, TrackedFile] = OrderedDict()

    def __iter__(self) -> Iterator[TrackedFile]:
        return iter(list(self._files.values()))

    def add(self, known: TrackedFile) -> None:
        """It was read just now."""
        self._files[known.full] = known
        self._files.move_to_end(known.full)
        for _ in range(len(self._files) - MOST):
            name, oldest = self._files.popitem(last=False)
            if oldest.captured < oldest.size and not oldest.ignored:
                self._files[name] = oldest  # its handle is all that is left of it if it is deleted now
            else:
                oldest.put_away()
