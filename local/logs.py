"""Logs: of the children, bounded in size, whatever they write; and of what is said to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from mnemostream.contracts.codec import iso
from mnemostream.runtime.clock import SystemClock

MOST_BYTES = 16 << 20
"""Of one log; the half that was written last is kept when it has become larger, and the one before it in `.1`."""
LOOK_SECONDS = 2.0


def kept(say: Callable[[str], None], log: Path) -> Callable[[str], None]:
    """Says it, and writes it to a log: what is said can neither end nor hinder the supervision."""

    def both(text: str) -> None:
        with suppress(OSError), log.open("a", encoding="utf-8", errors="replace") as lines:
            lines.write(f"{iso(SystemClock().now())} {text}\n")
        with suppress(Exception):
            say(text)

    return both


class Unbreakable:
    """A stream for people: one that is gone hinders nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Like the stream's."""
        with suppress(OSError, ValueError):  # closed, no reader, no terminal any more
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Like the stream's."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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
