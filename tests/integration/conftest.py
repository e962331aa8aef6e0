"""An archive that was filled the real way: capture to a real log, replay to a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemostream.archive import copies
from mnemostream.archive.copies import Archive
from mnemostream.contracts import codec
from mnemostream.contracts.events import Event, Stage
from mnemostream.contracts.requests import ReplayProgress
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import RecordsEmbedded, TranscriptForgotten
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.health import main as health
from mnemostream.services.health.settings import Settings as HealthSettings
from mnemostream.services.watcher import catalog
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.settings import Settings
from mnemostream.services.writer import replay
from mnemostream.services.writer.database import connect
from tests.conftest import answer, eventually, prompt, some_port
from tests.integration.forgetting import changed_by_hand, embedded
from tests.integration.health_service import (
    Clock,
    Receiver,
    Service,
    receiving,
)

Fill = Callable[..., Awaitable[None]]


@pytest.fixture
def transcripts(folder: Path) -> Path:
    """A folder for transcripts."""
    root = folder / "projects"
    root.mkdir()
    return root


async def captured(operator: Bus, root: Path, segment: int = 400, source: str = "claude-code", **more: Any) -> Capture:
    """What a watcher that starts now captures of a folder at rest."""
    settings = Settings(host="laptop", segment_bytes=segment, settle_seconds=0.0, **more)
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    capture = Capture(operator, settings, [Root(str(root), source)], await catalog.load(operator), beat)
    await capture.sweep(asyncio.Event())
    for known in capture.registry:
        known.release()
    return capture


@pytest.fixture
def fill(nats: Nats, operator: Bus, database: str, transcripts: Path) -> Fill:
    """Captures the folder and rebuilds the database from the log."""

    async def run(segment: int = 400) -> None:
        await captured(operator, transcripts, segment)
        await replayed(nats, database)

    return run


async def replayed(nats: Nats, database: str) -> ReplayProgress:
    """The outcome of a replay."""
    found: list[ReplayProgress] = []
    before = replay.say
    replay.say = found.append
    try:
        settings = replay.Settings(nats_url=nats.url("operator"), postgres_dsn=database)
        await replay.main(settings, asyncio.Event())
    finally:
        replay.say = before
    return found[-1]


@pytest.fixture
async def kept(nats: Nats, database: str) -> AsyncIterator[Archive]:
    """Both copies, open."""
    where = Endpoints(nats.url("operator"), database, "http://127.0.0.1:1")
    async with copies.opened(where) as opened:
        yield opened


@pytest.fixture
async def service(
    nats: Nats, operator: Bus, database: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Starts health services; all are stopped at the end."""
    running: list[tuple[asyncio.Event, asyncio.Task[None], httpx.AsyncClient]] = []

    async def start(**more: Any) -> Service:
        clock, port, stop = Clock(), some_port(), asyncio.Event()
        facts = {"evaluate_seconds": 0.03, "probe_seconds": 0.1, "figures_seconds": 0.2, "heartbeat_seconds": 0.5}
        facts |= {"token": "secret"}
        settings = HealthSettings(
            **{**facts, "nats_url": nats.url("operator"), "postgres_dsn": database, "port": port, **more}
        )
        task = asyncio.create_task(health.main(settings, stop, clock))
        client = httpx.AsyncClient(timeout=10, trust_env=False)
        running.append((stop, task, client))
        made = Service(port, clock, operator, client)

        async def known() -> None:
            assert (await made.get()).json()["bus"]["status"] == "reachable"

        await eventually(known)
        return made

    yield start
    for stop, task, client in running:
        stop.set()
        await task
        await client.aclose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), batch=st.integers(1, 6))
async def test_in_any_order_of_the_lanes_forget_takes_its_vectors_and_no_others(
    database: str, order: list[int], batch: int
) -> None:
    """A and B say the same; A is forgotten. Segments, vectors and the tombstone come in any order, in any batches."""
    lines = [prompt("the same words", "p"), answer("only here", name="x")]
    changes = [changed_by_hand("a", [lines[0], answer("only in a", name="y")]), changed_by_hand("b", lines)]
    tombstone = TranscriptForgotten("a", "claude-code", "a", "2026-08-02T10:00:00.000Z")
    vector = np.array([0.6, 0.8], dtype="<f4").tobytes()
    events: list[Event] = [*changes, *(embedded(change, vector) for change in changes), tombstone, changes[0]]
    connection = await asyncpg.connect(database)
    tables = "transcripts, segments, records, chunks, chunk_owners, forgotten, models, reparsed"
    await connection.execute(f"truncate {tables}")
    async with connect(database) as store:
        for start in range(0, len(order), batch):
            mixed = [events[number] for number in order[start : start + batch]]
            vectors = [event for event in mixed if isinstance(event, RecordsEmbedded)]
            await store.store_transcripts([event for event in mixed if not isinstance(event, RecordsEmbedded)])
            await store.store_vectors(vectors)
    kept = {row[0] for row in await connection.fetch("select text_sha from chunks")}
    texts = {row[0] for row in await connection.fetch("select text_sha from records where text_sha is not null")}
    await connection.close()
    assert kept == texts == {bytes.fromhex(codec.text_sha(text)) for text in ("the same words", "only here")}
