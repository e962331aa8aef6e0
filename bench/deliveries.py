"""Does every delivery reach the work once, and is nobody blamed for another?

    python bench/deliveries.py [--seconds N]

Work of 0.3 s that never fails, in bursts of 1 to 24, over a network of 0, 5 and 50 ms delay; and 24 messages of which
one ends its worker whenever it is tried. Exit code 1 if a message came twice, or an innocent one was dead-lettered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import proxy

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Event, Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local.child import Child
from mnemostream.local.nats_server import Nats
from mnemostream.local.ports import free_port
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus, provision
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume
from mnemostream.runtime.heartbeat import Beat

BURSTS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
WORK_SECONDS = 0.3
IDLE_SECONDS = 5.6
"""Longer than one idle pull request: the trap of nats-py's fetch."""
HERE = Path(__file__).resolve().parent
GOLDEN = codec.decode((HERE.parent / "contracts/golden/TranscriptChanged.v1.json").read_bytes())


def segment(number: int) -> Message:
    assert isinstance(GOLDEN, TranscriptChanged)
    event = msgspec.structs.replace(GOLDEN, start=number, end=number + 1)
    return Message(subjects.changed("s", "t"), codec.encode(event), codec.segment_message_id(event))


@asynccontextmanager
async def server() -> AsyncIterator[Nats]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        port = free_port(0)
        nats = Nats(folder, port.number, Secrets.of(folder).nats)
        child = Child(nats.spec(), lambda text: None)
        await child.start()
        try:
            await nats.ready(child)
            await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
            yield nats
        finally:
            await child.stop()
            port.close()


async def lag(operator: Bus) -> int:
    info = await operator.stream.consumer_info("TRANSCRIPTS", "writer")
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def letters(operator: Bus) -> int:
    return int((await operator.stream.stream_info("DEADLETTERS")).state.messages)


async def bursts(delay: float, seconds: float) -> tuple[str, ...]:
    """One row: bursts of each size after an idle time, until `seconds` are over."""
    done: Counter[int] = Counter()
    waited: list[float] = []
    loop = asyncio.get_running_loop()
    published: dict[int, float] = {}

    async def do(events: Sequence[Event]) -> None:
        starts = [event.start for event in events if isinstance(event, TranscriptChanged)]
        waited.extend(loop.time() - published[start] for start in starts)
        await asyncio.sleep(WORK_SECONDS)
        done.update(starts)

    async with server() as nats, proxy.opened(nats.port, delay) as slow, bus.connect(nats.url("operator"), "b") as op:
        url = nats.url("writer").replace(f":{nats.port}", f":{slow.port}")
        stop = asyncio.Event()
        async with bus.connect(url, "worker") as connection:
            beat = Beat(Stage.WRITER, "w", 5.0, SystemClock())
            task = asyncio.create_task(consume.work(connection, topology.WRITER_TRANSCRIPTS, do, beat, stop))
            number, began = 0, loop.time()
            while loop.time() - began < seconds:
                for size in BURSTS:
                    await asyncio.sleep(IDLE_SECONDS)
                    for _ in range(size):
                        published[number] = loop.time()
                        await op.publish(segment(number))
                        number += 1
            while await lag(op):
                await asyncio.sleep(0.1)
            twice = int(beat.redelivered or 0)
            dead = await letters(op)
            stop.set()
            await task
    lost = number - len(done)
    worst = f"{max(waited):.2f} s"
    return (
        f"{delay * 1000:.0f} ms",
        str(number),
        str(lost),
        str(twice),
        str(sum(done.values()) - len(done)),
        str(dead),
        worst,
    )


async def poison(how: str) -> tuple[str, ...]:
    """One row: 24 messages, number 5 of which ends its worker."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results"
        async with server() as nats, bus.connect(nats.url("operator"), "b") as op:
            await op.publish_all([segment(number) for number in range(24)])
            argv = [sys.executable, "-m", "tests.crashing_worker", nats.url("writer"), how, "5", str(results)]
            crashes, others_at, last, began = 0, 0.0, 0.0, loop.time()
            while await lag(op):
                process = await asyncio.create_subprocess_exec(
                    *argv, cwd=HERE.parent, stderr=asyncio.subprocess.DEVNULL
                )
                while process.returncode is None and await lag(op):
                    if not others_at and results.exists() and len(results.read_text().split()) == 23:
                        others_at = loop.time()
                    await asyncio.sleep(0.05)
                if process.returncode is None:
                    process.terminate()
                else:
                    crashes, last = crashes + 1, loop.time()
                await process.wait()
            stored = len(set(results.read_text().split()))
            others = f"{others_at - began:.1f} s after the start, last crash at {last - began:.1f} s"
            return f"ends by {how}", str(crashes), str(await letters(op)), f"{stored} of 23", others


async def main(seconds: float) -> int:
    console = Console()
    table = Table(
        "delay", "published", "lost", "delivered twice", "done twice", "dead letters", "longest wait for work"
    )
    rows = await asyncio.gather(*(bursts(delay, seconds) for delay in (0.0, 0.005, 0.05)))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    other = Table("one of 24 messages", "crashes", "dead letters", "others stored", "when")
    deaths = [await poison(how) for how in ("raise", "exit", "kill")]
    for row in deaths:
        other.add_row(*row)
    console.print(other)
    console.print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    good = all(row[2:6] == ("0", "0", "0", "0") for row in rows)
    return 0 if good and all(row[2] == "1" and row[3] == "23 of 23" for row in deaths) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="Least time of each delay.")
    sys.exit(asyncio.run(main(parser.parse_args().seconds)))
