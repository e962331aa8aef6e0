"""The end-to-end check: a synthetic transcript line that must come out as a row with a vector.

    line on disk ──▶ watcher ──▶ TRANSCRIPTS ──▶ embedder, writer ──▶ records ⋈ chunks ──▶ seen here

The lines have the source `canary`, which is in no statistics, search or listing.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import uuid
from pathlib import Path

import msgspec

from mnemostream.contracts.codec import iso
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.observe.store import FAILURES, Store

LOST_PERIODS = 6
"""A line that has not arrived after so many periods is given up, and the next one is sent."""
WRITE_SECONDS = 5.0
FILES = 3
"""Files kept on disk, of one day each."""


class CanaryProbe:
    """`look` as often as the database is looked at."""

    def __init__(self, folder: Path, period: float, observer: Observer) -> None:
        self.folder = folder
        self.period = period
        self.observer = observer
        self._sha = b""
        self._writing: asyncio.Task[None] | None = None

    async def look(self, store: Store, wall: float) -> None:
        """Asks for the line that is under way; sends the next one when it is due. `wall` = Unix time."""
        now = self.observer.clock.observed(wall)
        state = msgspec.structs.replace(self.observer.canary, period=self.period, error="")
        try:
            if state.waiting_since and (await store.ask("canary", self._sha))[0]["arrived"]:
                took = now - state.last_sent_at
                state = msgspec.structs.replace(
                    state, arrived=state.arrived + 1, last_arrived_at=now, last_seconds=took, waiting_since=0.0
                )
            patience = LOST_PERIODS if state.waiting_since else 1
            overdue = now - state.last_sent_at >= self.period * patience
            overdue = overdue and not (
                state.waiting_since and self.observer.queued_before_canary
            )  # it waits its turn, in an import
            if overdue:
                await self._sent(wall)
                lost = state.lost + bool(state.waiting_since)
                waiting = state.waiting_since or now  # it stays lost until a later one arrives
                state = msgspec.structs.replace(
                    state, sent=state.sent + 1, lost=lost, last_sent_at=now, waiting_since=waiting
                )
        except FAILURES as error:
            if isinstance(error, OSError) and error.filename:
                state = msgspec.structs.replace(state, error=f"cannot write the canary line: {error}")
        self.observer.canary = state

    async def _sent(self, wall: float) -> None:
        """Writes a line. Raises OSError with the file's name, also when the disk hangs: the thread is left to itself,
        and no other line is written before it ends."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(asyncio.to_thread(self._send, wall))
        done, _ = await asyncio.wait((self._writing,), timeout=WRITE_SECONDS)
        if not done:
            raise OSError(errno.ETIMEDOUT, f"not finished within {WRITE_SECONDS:.0f} s", str(self.folder))
        await self._writing

    def _send(self, wall: float) -> None:
        """One line, as Claude Code would write it. Raises OSError."""
        text = f"canary {uuid.uuid4().hex} of {iso(wall)}"
        line = {
            "type": "user",
            "uuid": str(uuid.uuid4()),
            "timestamp": iso(wall),
            "cwd": "/canary",
            "isSidechain": False,
            "message": {"role": "user", "content": text},
        }
        self._sha = hashlib.sha256(text.encode()).digest()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"canary-{iso(wall)[:10]}.jsonl"
        fresh = not file.exists()
        with file.open("ab") as handle:
            handle.write(json.dumps(line).encode() + b"\n")
        if fresh:
            for old in sorted(self.folder.glob("canary-*.jsonl"))[:-FILES]:
                os.unlink(old)
