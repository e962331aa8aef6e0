"""Fills a database without rows from the log: what its predecessor had acknowledged is not delivered again.

    consumers have read up to N ──▶ log 1 … N ──▶ the same statements as ever ──▶ rows

A database that was lost, or made anew elsewhere, is a full one again without anybody's help. One that only lacks some
rows is not found here: the health service tells it, and `mnemo replay` mends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import msgspec
from nats.js.errors import NotFoundError

from mnemostream.contracts import codec, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.topology import Consumer
from mnemostream.contracts.transcripts import RecordsEmbedded
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Permanent, TooSlow, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.services.writer.database import Database

log = Log("mnemo.writer")

KEPT_SECONDS = 600.0
"""A batch of rows may take so long between two messages."""
AGAIN_SECONDS = 2.0


async def fill(bus: Bus, store: Database, beat: Beat, stop: asyncio.Event) -> None:
    """Returns when the database has what the consumers have acknowledged, at a stop, or at once if it has rows."""
    empty: bool | None = None
    while not stop.is_set():
        try:
            empty = await store.is_empty() if empty is None else empty  # once: what was begun is ended
            for consumer in (topology.WRITER_TRANSCRIPTS, topology.WRITER_EMBEDDINGS) if empty else ():
                await _fill(bus, store, beat, consumer, stop)
            return
        except Transient as error:  # what was stored is stored; it begins anew, which changes nothing of it
            beat.record_disconnect(error)
            log.warning("the database could not be filled from the log, trying again", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)


async def _fill(bus: Bus, store: Database, beat: Beat, consumer: Consumer, stop: asyncio.Event) -> None:
    try:
        info = await bus.stream.consumer_info(consumer.stream, consumer.name, timeout=5)
    except NotFoundError:
        return  # one that is made now delivers everything
    except streams.FAILURES as error:
        raise Transient(f"JetStream does not answer: {error or type(error).__name__}") from error
    reached = info.delivered.stream_seq if info.delivered else 0
    if not reached:
        return
    log.warning("a database without rows: the log is read again", stream=consumer.stream, until=reached)
    batch: list[Event] = []
    async with aclosing(streams.read(bus, consumer.stream, kept=KEPT_SECONDS)) as messages:
        async for message, left in messages:
            if message.metadata.sequence.stream > reached or stop.is_set():
                break
            try:
                batch.append(codec.decode_from(message.subject, message.data))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                log.warning("a message of the log cannot be decoded", error=str(error))
            if len(batch) >= topology.FETCH_MESSAGES:
                await _store(store, batch)
                beat.tell(rereading=left)
                batch = []
    await _store(store, batch)
    beat.tell(rereading=0)


async def _store(store: Database, events: Sequence[Event]) -> None:
    """What the database refuses is left out: it was a dead letter before. Raises Transient."""
    vectors = [event for event in events if isinstance(event, RecordsEmbedded)]
    others = [event for event in events if not isinstance(event, RecordsEmbedded)]
    try:
        if others:
            await store.store_transcripts(others)
        if vectors:
            await store.store_vectors(vectors)
    except (Permanent, TooSlow) as error:
        if len(events) == 1:
            log.warning("the database refuses a message of the log", error=str(error))
            return
        for event in events:
            await _store(store, [event])
