"""Hints of file notification: paths that changed, to be looked at before the backlog."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable


class Hints:
    """Filled by the notification, emptied by the capture."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        """Set when there is something to look at."""
        self.heard = 0
        """Notifications between the last two sweeps."""
        self._paths: OrderedDict[str, None] = OrderedDict()
        self._since_sweep = 0

    def __bool__(self) -> bool:
        return bool(self._paths)

    def add(self, paths: Iterable[str]) -> None:
        """These files changed."""
        for path in paths:
            self._since_sweep += path not in self._paths
            self._paths[path] = None
        self.wake.set()

    def take(self) -> str:
        """The full path that has waited longest."""
        return self._paths.popitem(last=False)[0]

    def swept(self) -> None:
        """A sweep has looked at everything."""
        self.heard, self._since_sweep = self._since_sweep, 0
