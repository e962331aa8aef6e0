"""A database that was being filled from the log is filled to the end, though its first rows are there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mnemostream.contracts.events import Stage
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.writer import catchup


class Rows:
    """A database that is empty until the first batch."""

    def __init__(self) -> None:
        self.rows = 0

    async def is_empty(self) -> bool:
        return not self.rows


async def test_a_failure_in_the_middle_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store, filled = Rows(), []

    async def fill(bus: Any, store: Rows, beat: Beat, consumer: Any, stop: asyncio.Event) -> None:
        store.rows += 1
        if store.rows == 1:
            raise Transient("the database was away")
        filled.append(consumer.stream)

    monkeypatch.setattr(catchup, "_fill", fill)
    monkeypatch.setattr(catchup, "AGAIN_SECONDS", 0.0)
    beat = Beat(Stage.WRITER, "w", 5.0, SystemClock())
    await catchup.fill(None, store, beat, asyncio.Event())  # type: ignore[arg-type]
    assert filled == ["TRANSCRIPTS", "EMBEDDINGS"]
    await catchup.fill(None, store, beat, asyncio.Event())  # type: ignore[arg-type]
    assert len(filled) == 2
