"""The consumer loop: fetch, hand to the work, settle. The only place where a message is settled.

    fetch ──▶ decode ──▶ work(events) ──▶ ack
      ▲          │           ├─ Transient: hold the messages (in progress), wait, try again: nothing else is fetched
      │          │           └─ Permanent: alone again; alone already ⇒ dead letter, term
      │          └─ not a known event ⇒ dead letter, term
      └── a message delivered twice or more goes alone; after MAX_DELIVERIES it goes to the dead letters,
          which also catches a message that kills the process

A bug in the work ends the process with nothing settled: the server delivers again.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError, FetchTimeoutError, NotFoundError

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Event
from runtime.bus import Bus, Message
from runtime.errors import Misconfigured, Permanent, Transient
from runtime.heartbeat import Beat
from runtime.logs import Log

log = Log("mnemo.consume")

FETCH_TIMEOUT = 5.0
IDLE_HEARTBEAT = 2.0
IN_PROGRESS_EVERY = 8.0
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)

Work = Callable[[Sequence[Event]], Awaitable[None]]


async def work(bus: Bus, consumer: topology.Consumer, do: Work, beat: Beat, stop: asyncio.Event) -> None:
    """Feeds `do` until `stop`. `do` returns only after its effect is durable.

    Raises Misconfigured when the consumer does not exist.
    """
    subscription = await _bind(bus, consumer)
    settler = _Settler(bus, consumer, do, beat, stop)
    beat.polled(settler.lane)
    misses = 0
    while not stop.is_set():
        try:
            messages = await subscription.fetch(consumer.batch, timeout=FETCH_TIMEOUT, heartbeat=IDLE_HEARTBEAT)
        except FetchTimeoutError:
            beat.polled(settler.lane)
            misses = 0
            continue
        except (nats.errors.Error, TimeoutError, APIError) as error:
            # No contact, or the consumer is gone: both look alike here, so ask by name, with a pause.
            misses += 1
            if misses > 1:
                beat.cut_off(f"no contact with consumer {consumer.name}: {error or type(error).__name__}")
                subscription = await _rebind(bus, consumer, subscription, stop)
            await _pause(stop, BACKOFF[min(misses, len(BACKOFF)) - 1])
            continue
        beat.polled(settler.lane)
        misses = 0
        await settler.settle(messages)
    await subscription.unsubscribe()


async def _bind(bus: Bus, consumer: topology.Consumer) -> JetStreamContext.PullSubscription:
    """Binds only: a deleted durable must be noticed, never silently made anew with defaults."""
    try:
        await bus.stream.consumer_info(consumer.stream, consumer.name, timeout=5)
    except NotFoundError as error:
        raise Misconfigured(
            f"consumer {consumer.name} of stream {consumer.stream} is missing; run `python -m runtime.provision`"
        ) from error
    except (nats.errors.Error, TimeoutError) as error:
        raise Transient(f"JetStream does not answer: {error}") from error
    return await bus.stream.pull_subscribe_bind(
        consumer.name, consumer.stream, pending_msgs_limit=10 * consumer.batch, pending_bytes_limit=-1
    )


async def _rebind(
    bus: Bus, consumer: topology.Consumer, old: JetStreamContext.PullSubscription, stop: asyncio.Event
) -> JetStreamContext.PullSubscription:
    """A consumer that is gone while we run is a fault that a person mends: wait for it, and go on by ourselves."""
    try:
        fresh = await _bind(bus, consumer)
    except (Transient, Misconfigured) as error:
        log.warning("waiting for the bus", consumer=consumer.name, error=str(error))
        return old
    await old.unsubscribe()
    return fresh


class _Settler:
    """What happens to fetched messages. One per consumer."""

    def __init__(self, bus: Bus, consumer: topology.Consumer, do: Work, beat: Beat, stop: asyncio.Event) -> None:
        self.bus = bus
        self.consumer = consumer
        self.do = do
        self.beat = beat
        self.stop = stop
        self.lane = f"{consumer.stream}.{consumer.name}"

    async def settle(self, messages: Sequence[Msg]) -> None:
        """Every message leaves settled, or the process ends, or the server delivers it again."""
        fresh: list[Msg] = []
        self.beat.began(len(messages), self.lane)
        keeper = asyncio.create_task(_keep(messages), name="in-progress")
        try:
            for message in messages:
                if message.metadata.num_delivered > 1:
                    await self._together([message])
                else:
                    fresh.append(message)
            if fresh:
                await self._together(fresh)
        finally:
            keeper.cancel()
            self.beat.began(0, self.lane)

    async def _together(self, messages: Sequence[Msg]) -> None:
        known: list[tuple[Msg, Event]] = []
        for message in messages:
            try:
                if message.metadata.num_delivered > topology.MAX_DELIVERIES:
                    raise Permanent(f"not processed in {topology.MAX_DELIVERIES} deliveries")
                known.append((message, codec.decode(message.data)))
            except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, Permanent) as error:
                await self._bury(message, error)
        if not known:
            return
        try:
            done = await self._persist([event for _, event in known])
        except Permanent as error:
            if len(known) == 1:
                await self._bury(known[0][0], error)
                return
            for message, _ in known:  # find the one to blame
                await self._together([message])
            return
        for message, _ in known:
            await (message.ack() if done else message.nak())
        if done:
            self.beat.succeeded(len(known), self.lane)

    async def _persist(self, events: Sequence[Event]) -> bool:
        """Tries until it works; False when told to stop before it did."""
        attempt = 0
        while True:
            try:
                await self.do(events)
                return True
            except Transient as error:
                self.beat.failed_with(error, self.lane)
                log.warning("holding messages", count=len(events), attempt=attempt, error=str(error))
                await _pause(self.stop, BACKOFF[min(attempt, len(BACKOFF) - 1)])
                self.beat.began(len(events), self.lane)  # waiting for a dependency is no deadlock
                attempt += 1
                if self.stop.is_set():
                    return False

    async def _bury(self, message: Msg, error: Exception) -> None:
        """Dead letter first, stored and acknowledged; only then is the message ended."""
        self.beat.failed_with(error, self.lane)
        at = message.metadata
        letter = DeadLetter(
            stage=self.consumer.stage,
            instance=self.beat.instance,
            subject=message.subject,
            stream=at.stream,
            stream_sequence=at.sequence.stream,
            deliveries=at.num_delivered,
            error=f"{type(error).__name__}: {error}",
            traceback="".join(traceback.format_exception(error)),
            payload=message.data,
            sent_at=self.beat.clock.now(),
        )
        name = f"dead:{at.stream}:{at.sequence.stream}:{self.consumer.name}"
        while True:
            try:
                await self.bus.publish(Message(subjects.deadletter(self.consumer.stage), codec.encode(letter), name))
                break
            except Transient as failure:
                self.beat.failed_with(f"dead letter not stored yet: {failure}", self.lane)
                log.warning("dead letter not stored yet", error=str(failure))
                await _pause(self.stop, BACKOFF[-1])
                if self.stop.is_set():
                    return
        await message.term()
        log.error("message given up", subject=message.subject, sequence=at.sequence.stream, error=letter.error)


async def _keep(messages: Sequence[Msg]) -> None:
    """Tells the server that the messages are being worked on, so that it does not deliver them again."""
    while True:
        await asyncio.sleep(IN_PROGRESS_EVERY)
        for message in messages:
            if not message.is_acked:
                await message.in_progress()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
