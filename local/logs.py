"""Logs of the children: bounded in size, whatever they write."""

from __future__ import annotations

import asyncio
from pathlib import Path

MOST_BYTES = 16 << 20
"""Of one log; the half that was written last is kept when it has become larger, and the one before it in `.1`."""
LOOK_SECONDS = 2.0


async def bounded(logs: Path) -> None:
    """Cuts what has become too large, for ever. The children append (O_APPEND), so a file may be cut under them."""
    while True:
        await asyncio.to_thread(cut, logs)
        await asyncio.sleep(LOOK_SECONDS)


def cut(logs: Path, most: int = MOST_BYTES) -> None:
    """Moves the end of each log that is larger than `most` to `.1`, and empties it."""
    for log in logs.glob("*.log"):
        try:
            if log.stat().st_size <= most:
                continue
            with log.open("r+b") as handle:
                handle.seek(-most // 2, 2)
                handle.readline()
                log.with_suffix(".log.1").write_bytes(handle.read())
                handle.truncate(0)
        except OSError:
            continue  # a full disk must not end the supervisor; the next look tries again
