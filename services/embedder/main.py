"""Embedder: segments in, vectors out.

    TRANSCRIPTS ──fetch──▶ chunks (pure) ──▶ model (own thread) ──publish──▶ EMBEDDINGS
         ▲                                                                       │
         └──────────────── settled only after every PubAck ◀─────────────────────┘
    queries.embed ──▶ model ──▶ reply          (a search never waits longer than one batch)

The order is the promise: a segment is acked after the last of its vectors is stored. Killed on any
line below, this process costs a redelivery, never a vector; a copy is dropped by message id or key.
"""

from __future__ import annotations

import asyncio

import msgspec
from nats.aio.msg import Msg

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.requests import EmbedQuery, EmbedReply
from mnemostream.runtime import bus, heartbeat
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume, retry
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.process import lifecycle, watchdog
from mnemostream.runtime.tasks import cancel_and_wait
from mnemostream.services.embedder import again
from mnemostream.services.embedder import model as models
from mnemostream.services.embedder.embed import Embedder
from mnemostream.services.embedder.model import EngineLost, Model
from mnemostream.services.embedder.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Embeds until told to stop."""
    beat = heartbeat.Beat(Stage.EMBEDDER, settings.instance_name, settings.heartbeat_seconds, SystemClock())
    async with (
        bus.connect(settings.nats_url, name=f"embedder {settings.instance_name}") as nats,
        heartbeat.beating(nats, beat),
        models.opened(settings) as model,  # before the first fetch: a missing model must use up no delivery
        asyncio.TaskGroup() as tasks,
    ):
        beat.vitals = model.vitals(0)
        await heartbeat.enter(nats, beat, Phase.RUNNING)
        guard = tasks.create_task(watchdog.guard_progress(beat.stuck_seconds, settings.watchdog_stuck_seconds))
        await _answer_queries(nats, model)
        loop_name = f"{topology.EMBEDDER.stream}.{topology.EMBEDDER.name}"
        embedder = Embedder(nats, model, settings, beat, loop_name)
        await _hear_tombstones(nats, embedder)
        gate = Gate()
        await again.serve(nats, embedder, gate)
        await retry.serve(nats, Stage.EMBEDDER, {topology.EMBEDDER: embedder.work}, beat, gate)
        await consume.work(nats, topology.EMBEDDER, embedder.work, beat, stop, gate)
        await heartbeat.enter(nats, beat, Phase.DRAINING)
        await cancel_and_wait(guard)


async def _answer_queries(nats: Bus, model: Model) -> None:
    """Search texts by request and reply, shared among all embedders."""

    async def answer(message: Msg) -> None:
        try:
            query = msgspec.json.decode(message.data, type=EmbedQuery)
            vectors = await model.encode([query.text])
            reply = EmbedReply(model.fingerprint, model.dimensions, vectors[0])
        except (msgspec.DecodeError, EngineLost, Transient, Misconfigured) as error:
            reply = EmbedReply(error=str(error))
        await message.respond(codec.encode(reply))

    await nats.client.subscribe(subjects.EMBED_QUERY, queue="embedders", cb=answer)


async def _hear_tombstones(nats: Bus, embedder: Embedder) -> None:
    """A tombstone is heard at once: its turn in the stream comes after all that was there before."""

    async def take(message: Msg) -> None:
        if name := codec.tombstone(message.subject, message.data):
            embedder.forget(name)

    await nats.client.subscribe(subjects.FORGOTTEN, cb=take)
    await nats.client.flush()


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.EMBEDDER)
