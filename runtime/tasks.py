"""How background tasks end, wait and try again."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 1.0
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts of the same work, seconds; the last one again and again."""


def backoff(attempt: int) -> float:
    """The pause after a failed attempt, seconds; attempts count from 0."""
    return BACKOFF[min(attempt, len(BACKOFF) - 1)]


async def either(*events: asyncio.Event, within: float) -> bool:
    """True as soon as one of the events is set; False after `within` seconds."""
    waiters = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiters, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for waiter in waiters:
            waiter.cancel()


async def cancel_and_wait(*tasks: asyncio.Task[Any], grace: float = 0.0) -> None:
    """Returns when all of the tasks have ended: by themselves within `grace` seconds, else by cancellation.

    Cancels more than once. Before Python 3.12 `asyncio.wait_for`, which the libraries below use, drops a
    cancellation that comes in the same turn as its result (https://github.com/python/cpython/issues/86296);
    a task in a loop then goes on for ever, and its TaskGroup waits as long. What a task raised stays in it.
    """
    left = set(tasks)
    if left and grace:
        _, left = await asyncio.wait(left, timeout=grace)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
