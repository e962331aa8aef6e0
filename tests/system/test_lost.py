"""What is lost is told, and comes back by itself where it can: the database, rows of it, a watched folder."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import Heartbeat, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.local import system
from mnemostream.runtime import bus
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.test_field import mnemo

HEALTH = "v1/autosave/health"


async def told(running: system.System) -> dict[str, Any]:
    where = running.endpoints
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {where.health_token}"}) as client:
        return dict((await client.get(f"{where.health_url}/{HEALTH}")).json())


async def becomes(running: system.System, stage: str, reason: Reason, seconds: float = 60) -> str:
    """Its cause."""

    async def there() -> None:
        try:
            answered = await told(running)
        except httpx.TransportError as error:  # not listening yet
            raise AssertionError(error) from error
        assert answered["stages"][stage]["reason"] == reason, answered["stages"][stage]

    await eventually(there, seconds)
    return str((await told(running))["stages"][stage]["cause"])


async def saved(running: system.System, files: int) -> None:
    connection = await asyncpg.connect(running.endpoints.postgres_dsn)

    async def stored() -> None:
        row = await connection.fetchrow("select texts, embedded from coverage")
        assert await connection.fetchval("select count(distinct transcript_id) from segments") == files
        assert row is not None
        assert row["texts"] == row["embedded"] > 0

    try:
        await eventually(stored, 60)
    finally:
        await connection.close()


async def beats(running: system.System, stage: Stage) -> int | None:
    """Loops that ask for work, as the next heartbeat of a stage tells."""
    async with bus.connect(running.endpoints.nats_url, "test") as connection:
        subscription = await connection.client.subscribe(subjects.heartbeats_of(stage))
        beat = codec.decode((await subscription.next_msg(timeout=30)).data)
        assert isinstance(beat, Heartbeat)
        return beat.polls


def written(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        lines = jsonl(prompt(f"question {number}"), answer(f"reply {number}"))
        (folder / f"{number}.jsonl").write_bytes(lines)


async def test_a_database_that_is_gone_is_filled_from_the_log(folder: Path) -> None:
    written(folder / "live", 12)
    plan = quick([(folder / "live").resolve()], folder / "d")
    async with system.running(plan, print) as running:
        await saved(running, 12)
    shutil.rmtree(folder / "d" / "postgres")
    shutil.rmtree(folder / "live")
    async with system.running(quick([folder.resolve()], folder / "d"), print) as running:
        await saved(running, 12)
        polls = await beats(running, Stage.WRITER)
        assert polls == 2  # its two loops, and nothing that will never ask for work again
        verified = await asyncio.to_thread(mnemo, "verify", "--all", "--data", str(folder / "d"))
        assert verified.returncode == 0, verified.stdout


async def test_rows_that_no_message_brings_are_told(folder: Path) -> None:
    written(folder / "live", 2)
    plan = quick([(folder / "live").resolve()], folder / "d", embedders=0)
    async with system.running(plan, print) as running:
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)

        async def stored() -> None:
            assert await connection.fetchval("select count(distinct transcript_id) from segments") == 2

        await eventually(stored, 60)
        await connection.execute("delete from segments where transcript_id like '0-%'")  # as an older copy lacks them
        await connection.close()
    async with system.running(plan, print) as running:
        cause = await becomes(running, "writer", Reason.ROWS_MISSING, 120)
        assert "`mnemo replay` rebuilds it" in cause
        replayed = await asyncio.to_thread(mnemo, "replay", "--data", str(folder / "d"))
        assert replayed.returncode == 0, replayed.stdout
        await becomes(running, "writer", Reason.HEALTHY)


async def test_a_watched_folder_that_goes_away_is_told_at_once_and_after_a_restart(folder: Path) -> None:
    live, other = folder / "live", folder / "other"
    written(live, 3)
    written(other, 1)
    plan = quick([live.resolve(), other.resolve()], folder / "d", embedders=0)
    async with system.running(plan, print) as running:
        await becomes(running, "watcher", Reason.HEALTHY)
        live.rename(folder / "elsewhere")
        cause = await becomes(running, "watcher", Reason.FOLDER_LOST)
        assert f"missing: {live.resolve()} (held 3 transcripts)" in cause
        status = await asyncio.to_thread(mnemo, "status", "--data", str(folder / "d"))
        assert status.returncode == 2
        assert "what is on disk cannot be told" in status.stdout
        verified = await asyncio.to_thread(mnemo, "verify", "--data", str(folder / "d"))
        assert "mount or put back" in verified.stderr, verified.stderr
        live.mkdir()  # the place of a disk that is not mounted
        assert "is empty" in await becomes(running, "watcher", Reason.FOLDER_MISSING)
        live.rmdir()
    async with system.running(plan, print) as running:
        cause = await becomes(running, "watcher", Reason.FOLDER_LOST)
        assert "held 3 transcripts" in cause
        (folder / "elsewhere").rename(live)
        await becomes(running, "watcher", Reason.HEALTHY)
