"""A worker process whose work dies at one message, for tests of giving up.

    python -m tests.crashing_worker URL HOW START RESULTS   HOW: exit, kill, raise

Each message that is done appends its `start` to the file RESULTS.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from mnemostream.contracts import topology
from mnemostream.contracts.events import Event, Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime import bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume
from mnemostream.runtime.heartbeat import Beat


def die(how: str) -> None:
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ZeroDivisionError("planted")


def note(results: str, starts: Sequence[int]) -> None:
    with open(results, "a") as file:
        file.writelines(f"{start}\n" for start in starts)


async def main(url: str, how: str, start: int, results: str) -> None:
    async def do(events: Sequence[Event]) -> None:
        starts = [event.start for event in events if isinstance(event, TranscriptChanged)]
        if start in starts:
            die(how)
        note(results, starts)

    async with bus.connect(url, "crashing") as nats:
        beat = Beat(Stage.WRITER, "crashing", 5.0, SystemClock())
        await consume.work(nats, topology.WRITER_TRANSCRIPTS, do, beat, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
