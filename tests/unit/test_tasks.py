"""Background tasks end, whatever swallows their cancellation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mnemostream.local import guard
from mnemostream.local.nats_server import Nats
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets
from mnemostream.runtime.tasks import cancel_and_wait


async def _deaf(times: int) -> None:
    """Loses as many cancellations as it is told to, as `asyncio.wait_for` did before Python 3.12."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if not times:
                raise
            times -= 1


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_lost_cancellation_is_repeated(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnemostream.runtime.tasks.AGAIN_SECONDS", 0.01)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_deaf(times)) for _ in range(3)]
        await asyncio.sleep(0)
        await cancel_and_wait(*running)
    assert all(task.cancelled() for task in running)


async def test_grace_lets_a_task_say_goodbye() -> None:
    said = []

    async def goodbye() -> None:
        await asyncio.sleep(0.01)
        said.append("goodbye")

    async with asyncio.timeout(20):
        await cancel_and_wait(asyncio.create_task(goodbye()), grace=10)
        late = asyncio.create_task(_deaf(0))
        await cancel_and_wait(late, grace=0.01)
    assert said == ["goodbye"]
    assert late.cancelled()


async def test_a_failure_stays_in_its_task() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)
    await cancel_and_wait()


async def test_the_supervisor_ends_its_looks_though_a_library_loses_their_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver below a look drops one cancellation; `mnemo up` then stopped nothing and never ended."""
    monkeypatch.setattr("mnemostream.runtime.tasks.AGAIN_SECONDS", 0.01)
    for name in ("_Services", "_Postgres", "_Nats", "_Topology"):
        monkeypatch.setattr(getattr(guard, name), "seconds", 0.0)
        monkeypatch.setattr(getattr(guard, name), "look", lambda self: _deaf(1))
    nats, postgres = Nats(tmp_path, 0, {"operator": ""}), Postgres(tmp_path, 0, Secrets.of(tmp_path))
    tasks = guard.watch({"postgres": None, "nats": None}, nats, postgres, tmp_path, None, print)  # type: ignore[dict-item, arg-type]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        await cancel_and_wait(*tasks)
    assert all(task.cancelled() for task in tasks)
