"""Embedders share a burst: none holds what the others could do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from mnemostream.contracts import topology
from mnemostream.contracts.events import Event
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from tests.conftest import eventually
from tests.integration.bus_parts import Worker, segment

WORKERS, MESSAGES = 4, 25


async def test_a_burst_is_shared_by_idle_workers(nats: Nats, operator: Bus) -> None:
    """It lay in one pull request of 24 once, and three of four workers had nothing to do."""
    done: Counter[int] = Counter()

    def works_as(number: int) -> Worker:
        async def do(events: Sequence[Event]) -> None:
            await asyncio.sleep(0.1 * len(events))
            done[number] += len(events)

        return Worker(connections[number], do, topology.EMBEDDER)

    async with AsyncExitStack() as stack:
        url = nats.url("embedder")
        connections = [await stack.enter_async_context(bus.connect(url, f"e{n}")) for n in range(WORKERS)]
        workers = [works_as(number) for number in range(WORKERS)]

        async def asking() -> None:
            info = await operator.stream.consumer_info("TRANSCRIPTS", "embedder")
            assert info.num_waiting == WORKERS

        await eventually(asking, 30)
        for number in range(MESSAGES):
            await operator.publish(segment(number))

        async def finished() -> None:
            assert done.total() == MESSAGES

        await eventually(finished, 30)
        info = await operator.stream.consumer_info("TRANSCRIPTS", "embedder")
        for worker in workers:
            await worker.done()
    assert info.num_redelivered == 0
    assert sorted(done) == list(range(WORKERS))
    assert max(done.values()) <= 10, done
