"""The fault matrix with one oracle: nothing lost, nothing doubled, nothing given up, nothing mended by hand.

A few rows run always; all of them, the full disks and 200 random kills with `make test-all`. `bench/recovery.py` prints
the same rows with their times.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests import drill as drills
from tests import faults
from tests.drill import Drill
from tests.faults import Fault

FEW = (
    "kill -9 at: writer store_transcripts after",
    "kill -9 at: embedder publish_all after",
    "NATS: connections reset",
    "consumer deleted",
    "everything again, in another order",
)
KILLS = 200


async def survives(drill: Drill, fault: Fault) -> None:
    """Harmed, healed, and all that was written meanwhile is there."""
    async with fault.harm(drill):
        if fault.heals_itself:
            seconds, _ = await drill.clean(180)
        else:
            await asyncio.sleep(fault.seconds)
    if not fault.heals_itself:
        seconds, _ = await drill.clean(180)
    rest = await drill.settled()
    assert rest.clean, f"{fault.title}: {rest}"
    assert seconds >= 0, fault.title


async def test_some_faults_lose_double_and_give_up_nothing(folder: Path) -> None:
    chosen = [fault for fault in faults.MATRIX if fault.title in FEW]
    assert len(chosen) == len(FEW)
    async with drills.opened(folder) as drill:
        await drill.ready()
        for fault in chosen:
            await survives(drill, fault)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_no_fault_loses_doubles_or_gives_up_anything(folder: Path) -> None:
    async with drills.opened(folder) as drill:
        await drill.ready()
        for fault in faults.MATRIX:
            await survives(drill, fault)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not faults.can_mount(), reason="a full disk needs a file system of its own, and root to mount it")
async def test_a_full_disk_heals_by_itself_when_there_is_room(folder: Path) -> None:
    async with drills.opened(folder) as drill:
        await drill.ready()
    unmount = faults.small_disks(folder / "data", "nats", "postgres")
    try:
        async with drills.opened(folder) as drill:
            await drill.ready()
            for fault in faults.DISKS:
                await survives(drill, fault)
    finally:
        unmount()


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_200_random_kills_under_load_with_a_slow_bus(folder: Path) -> None:
    chosen = random.Random(13)
    async with drills.opened(folder, delay=0.005) as drill:
        await drill.ready()
        done = 0
        while done < KILLS:
            name = chosen.choice(faults.PROCESSES)
            if drill.running.children[name].pid:
                drill.kill(name)
                done += 1
            await asyncio.sleep(chosen.uniform(0.1, 1.5))
        rest = await drill.settled(600)
        assert rest.clean, rest
