"""While nothing can be shipped: how much has come to wait on the disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a type only
    from mnemostream.services.watcher.capture import Capture


async def look(capture: Capture) -> None:
    """Every file once, without opening one, and told with the next heartbeat. Nobody else looks: capture waits."""
    registry, unreadable = capture.registry, capture.unreadable
    await asyncio.to_thread(registry.scan, capture.sweeps + 1, unreadable, capture.clock.now(), capture.beat.polled)
    capture.dirty = True
    capture.report(now=True)
