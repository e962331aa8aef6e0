"""Writer: both streams in, rows in PostgreSQL out.

    TRANSCRIPTS ──fetch──▶ rows (pure) ──▶ one transaction ──▶ transcripts, segments, records
    EMBEDDINGS  ──fetch──▶ rows (pure) ──▶ one transaction ──▶ models, chunks
         ▲                                       │
         └──────── acked only after the commit ──┘

The order is the promise: text is a row milliseconds after it was captured, with or without an embedder.
Killed on any line below, this process costs a redelivery; unique keys make the second copy harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mnemostream.contracts import topology
from mnemostream.contracts.events import Event, Phase, Stage
from mnemostream.contracts.transcripts import RecordsEmbedded
from mnemostream.contracts.vitals import WriterVitals
from mnemostream.runtime import bus, heartbeat
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume, retry
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.delivery.settle import Work
from mnemostream.runtime.process import lifecycle, watchdog
from mnemostream.runtime.tasks import cancel_and_wait
from mnemostream.services.writer import catchup, database
from mnemostream.services.writer.database import Database
from mnemostream.services.writer.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Writes until told to stop."""
    beat = heartbeat.Beat(Stage.WRITER, settings.instance_name, settings.heartbeat_seconds, SystemClock())
    async with (
        bus.connect(settings.nats_url, name=f"writer {settings.instance_name}") as nats,
        heartbeat.beating(nats, beat),
        database.connect(settings.postgres_dsn) as store,
        asyncio.TaskGroup() as tasks,
    ):
        beat.vitals = WriterVitals()
        await catchup.fill(nats, store, beat, stop)
        await heartbeat.enter(nats, beat, Phase.RUNNING)
        guard = tasks.create_task(watchdog.guard_progress(beat.stuck_seconds, settings.watchdog_stuck_seconds))
        indexing = tasks.create_task(store.index(beat.tell), name="indexing")
        works = {topology.WRITER_TRANSCRIPTS: _changes(store), topology.WRITER_EMBEDDINGS: _vectors(store)}
        gate = Gate()  # a message that may crash this process is in work alone, in both loops
        await retry.serve(nats, Stage.WRITER, works, beat, gate)
        async with asyncio.TaskGroup() as loops:
            for consumer, do in works.items():
                loops.create_task(consume.work(nats, consumer, do, beat, stop, gate))
        await heartbeat.enter(nats, beat, Phase.DRAINING)
        await cancel_and_wait(guard, indexing)


def _changes(store: Database) -> Work:
    async def write(events: Sequence[Event]) -> None:
        await store.store_transcripts(events)

    return write


def _vectors(store: Database) -> Work:
    async def write(events: Sequence[Event]) -> None:
        await store.store_vectors([event for event in events if isinstance(event, RecordsEmbedded)])

    return write


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.WRITER)
