"""The consumer loop: pull, hand to the work, settle.

    hand back what a dead predecessor held ──▶ pull ──▶ settle (runtime/delivery/settle.py) ──▶ pull ──▶ … ──▶ hand back

A bug in the work ends the process with nothing settled; the next one hands back what this one held.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import nats.errors
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import topology
from mnemostream.runtime import pull
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.delivery import peers
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.delivery.portion import Portion
from mnemostream.runtime.delivery.settle import Settler, Work
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import backoff, either

log = Log("mnemo.consume")

MISSING_SECONDS = 12.0
"""A supervisor may be making a deleted consumer again: so long it is waited for at a start, seconds."""


async def work(
    bus: Bus, consumer: topology.Consumer, do: Work, beat: Beat, stop: asyncio.Event, gate: Gate | None = None
) -> None:
    """Feeds `do` until `stop`. `do` returns only after its effect is durable. Loops of one process share a `gate`.

    Raises Misconfigured when the consumer does not exist.
    """
    settler = Settler(bus, consumer, do, beat, stop, gate or Gate())
    await _wait_for_consumer(bus, settler)
    await settler.custody.hand_back()
    misses, portion = 0, Portion(consumer.batch, consumer.portion_seconds)
    clock = asyncio.get_running_loop().time
    async with (
        peers.listening(bus, consumer.stage, beat.interval) if portion.seconds else nullcontext() as others,
        pull.opened(bus, consumer.stream, consumer.name, consumer.batch, topology.FETCH_BYTES) as source,
    ):
        beat.polled(settler.name)
        while not stop.is_set():
            source.batch = portion.size(others.count(clock()) if others else 1)
            try:
                messages = await source.take(stop)
            except Transient as error:
                await _missed(bus, settler, error, misses)
                misses += 1
                continue
            beat.polled(settler.name)
            beat.foreign_messages, source.foreign = (beat.foreign_messages or 0) + source.foreign, 0
            misses = 0
            if messages:
                began, waiting = clock(), messages[-1].metadata.num_pending
                await settler.settle(messages)
                portion.done(len(messages), waiting, clock() - began)
        await settler.custody.leave()


async def _wait_for_consumer(bus: Bus, settler: Settler) -> None:
    """Returns when JetStream says that the consumer is there, or at a stop: a cluster may be electing a leader."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + MISSING_SECONDS
    while not settler.stop.is_set():
        try:
            await _exists(bus, settler.consumer)
            return
        except (Transient, Misconfigured) as error:
            if isinstance(error, Misconfigured) and loop.time() > patience:
                raise
            settler.beat.record_disconnect(error)
            log.warning("waiting for NATS", consumer=settler.consumer.name, error=str(error))
            await either(settler.stop, within=backoff(1))


async def _exists(bus: Bus, consumer: topology.Consumer) -> None:
    """Looks only: a deleted durable must be noticed, never silently made anew with defaults."""
    try:
        await bus.stream.consumer_info(consumer.stream, consumer.name, timeout=5)
    except NotFoundError as error:
        raise Misconfigured(
            f"consumer {consumer.name} of stream {consumer.stream} is missing; "
            "run `python -m mnemostream.runtime.provision`"
        ) from error
    except (nats.errors.Error, TimeoutError, APIError) as error:
        raise Transient(f"JetStream does not answer: {error or type(error).__name__}") from error


async def _missed(bus: Bus, settler: Settler, error: Transient, misses: int) -> None:
    """A pull that failed. What a person must mend is told at once; a lost connection only when it stays lost."""
    if isinstance(error, pull.Refused):
        settler.beat.pulls_refused = (settler.beat.pulls_refused or 0) + 1
        settler.beat.record_disconnect(f"the pull request was refused: {error}")
        log.error(
            "pull request refused", consumer=settler.consumer.name, stream=settler.consumer.stream, error=str(error)
        )
    elif misses:
        settler.beat.record_disconnect(f"no contact with consumer {settler.consumer.name}: {error}")
        try:
            await _exists(bus, settler.consumer)
        except (Transient, Misconfigured) as why:  # a person mends it: wait, and go on by ourselves
            log.warning("waiting for NATS", consumer=settler.consumer.name, error=str(why))
    await either(settler.stop, within=backoff(misses))
