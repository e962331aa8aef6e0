"""Three NATS servers, three copies of each stream: one of them killed, frozen or cut off under load loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from mnemostream.contracts import topology
from mnemostream.contracts.events import Event, Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.heartbeat import Beat
from tests import cluster as clusters
from tests.conftest import eventually
from tests.integration.bus_parts import segment

RESUMES = 30.0
"""Seconds without a stored message that the loss of one server may cost: 4 to 10 on a quiet machine, and more where
other tests run beside the three servers."""


class Publisher:
    """Publishes one segment after the other, as the watcher does; notes the longest time without a PubAck."""

    def __init__(self, nats: Bus) -> None:
        self.nats = nats
        self.stored = 0
        self.longest = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not stop.is_set():
            batch = [segment(number) for number in range(self.stored, self.stored + 5)]
            try:
                await self.nats.publish_all(batch)
            except Transient:
                await asyncio.sleep(0.2)  # the watcher's pause
                continue
            self.stored += 5
            self.longest = max(self.longest, loop.time() - last)
            last = loop.time()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "fault", ["killed", pytest.param("frozen", marks=pytest.mark.long), pytest.param("cut off", marks=pytest.mark.long)]
)
async def test_one_of_three_servers_is_lost_under_load(folder: Path, fault: str) -> None:
    done: Counter[int] = Counter()

    async def do(events: Sequence[Event]) -> None:
        done.update(event.start for event in events if isinstance(event, TranscriptChanged))

    async with clusters.opened(folder) as cluster:
        await clusters.provisioned(cluster)
        leader = await cluster.leader("TRANSCRIPTS")
        order = [leader, *(number for number in range(3) if number != leader)]  # clients begin at the one that is lost
        url = ",".join(cluster.url("watcher", only=number) for number in order)
        work = ",".join(cluster.url("writer", only=number) for number in order)
        stop = asyncio.Event()
        async with bus.connect(url, "publisher") as publishing, bus.connect(work, "worker") as working:
            publisher = Publisher(publishing)
            beat = Beat(Stage.WRITER, "w", 5.0, SystemClock())
            tasks = [
                asyncio.create_task(publisher.run(stop)),
                asyncio.create_task(consume.work(working, topology.WRITER_TRANSCRIPTS, do, beat, stop)),
            ]

            async def moved(by: int = 200) -> None:
                assert publisher.stored > by

            await eventually(moved, 120)
            child = cluster.children[leader]
            if fault == "killed":
                child._stopping = True
                os.kill(child.pid, signal.SIGKILL)
            elif fault == "frozen":
                os.kill(child.pid, signal.SIGSTOP)
            else:
                cluster.proxies[leader].cut()
            before = publisher.stored
            await eventually(lambda: moved(before + 300), 120)
            if fault == "frozen":
                os.kill(child.pid, signal.SIGCONT)
            cluster.proxies[leader].heal()
            await eventually(lambda: moved(before + 500), 120)
            stop.set()
            await asyncio.gather(*tasks)

            async def all_done() -> None:
                missing = set(range(publisher.stored)) - set(done)
                assert not missing, f"{len(missing)} of {publisher.stored} never reached the work"

            again = asyncio.Event()
            rest = asyncio.create_task(consume.work(working, topology.WRITER_TRANSCRIPTS, do, beat, again))
            await eventually(all_done, 120)
            again.set()
            await rest
            info = await publishing_count(cluster)
    assert info == publisher.stored, "stored twice, or lost"
    assert publisher.longest <= RESUMES, f"publishing stood still for {publisher.longest:.1f} s"


async def publishing_count(cluster: clusters.Cluster) -> int:
    async with bus.connect(cluster.url("operator"), "count") as operator:
        return int((await operator.stream.stream_info("TRANSCRIPTS")).state.messages)
