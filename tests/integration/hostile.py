"""What a hostile, or only unlucky, disk holds."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conftest import answer, prompt

STOP = asyncio.Event


def events(capture: Any) -> list[Any]:
    return list(capture.bus.events())


HUGE = [
    prompt("x", cwd="/" + "x" * 3_000_000),
    prompt("x", "u" * 9000),
    answer({"type": "tool_use", "name": "n" * 3_000_000, "input": {}}),
    prompt("x", timestamp="9" * 100_000),
    {"type": "t" * 1_000_000},
    {"type": "nul\0type", "uuid": "1"},
    prompt("with NUL in its id", "a\0b"),
    prompt("\0" * 300_000, "nuls"),
    {"type": ["list"], "uuid": {"a": 1}, "message": 7},
]
