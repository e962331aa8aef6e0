"""What happens to the messages of one consumer. The only place where a message is settled.

    decode ──▶ work(events) ──▶ ack
       │           ├─ Transient: hold the messages (in progress), wait, try again: nothing else is pulled
       │           ├─ TooSlow: the same in halves, down to one
       │           └─ Permanent: in halves, down to the one to blame ⇒ dead letter, term
       └─ not a known event ⇒ dead letter, term

Delivered before: last, and alone in the process. An attempt is recorded before it begins and taken back when it has
any outcome; what is left counts crashes, and so many of them ⇒ dead letter, term. A delivery is no attempt: lost
pulls, lost acks, stops and restarts use up deliveries of messages that nobody tried (docs/adr/0015).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec
import nats.errors
from nats.aio.msg import Msg

from mnemostream.contracts import codec, topology
from mnemostream.contracts.events import Event, Suspect
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.delivery import deadletters
from mnemostream.runtime.delivery.custody import Custody, Gate
from mnemostream.runtime.errors import Permanent, TooSlow, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import backoff, either

log = Log("mnemo.settle")

IN_PROGRESS_EVERY = 8.0
WORK_GRACE = 4.0
"""After a stop, the work in hand may go on so long, seconds; then it is given back."""
LAST_DELAY = 5.0
"""A message that has crashed a worker waits so long, seconds, again and again, while others wait too …"""
LAST_LIMIT = 120.0
"""… but no longer than this after its last attempt."""

Work = Callable[[Sequence[Event]], Awaitable[None]]


class Settler:
    """What happens to the messages of one consumer."""

    def __init__(
        self, bus: Bus, consumer: topology.Consumer, do: Work, beat: Beat, stop: asyncio.Event, gate: Gate
    ) -> None:
        self.bus = bus
        self.consumer = consumer
        self.do = do
        self.beat = beat
        self.stop = stop
        self.gate = gate
        self.custody = Custody(bus, consumer, beat)
        self.name = f"{consumer.stream}.{consumer.name}"

    async def settle(self, messages: Sequence[Msg]) -> None:
        """Every message leaves settled or handed back, unless the process ends."""
        fresh = [message for message in messages if message.metadata.num_delivered == 1]
        known = [message for message in messages if message.metadata.num_delivered > 1]
        self.beat.set_in_flight(len(messages), self.name)
        await self.custody.hold(messages)
        keeper = asyncio.create_task(self._keep(messages), name="in-progress")
        try:
            if fresh:
                await self._together(fresh)
            await self._suspects(known)
        except BaseException:
            await self._hand_back(messages)  # this process ends: others need not wait for its successor
            raise
        finally:
            keeper.cancel()
            self.beat.set_in_flight(0, self.name)
        await self._hand_back(messages)
        await self.custody.hold([])

    async def _keep(self, messages: Sequence[Msg]) -> None:
        """Tells the server that the messages are being worked on, so that it does not deliver them again; and keeps the
        record of them fresh, which a restart of a lone server, or time, takes away."""
        while True:
            await asyncio.sleep(IN_PROGRESS_EVERY)
            left = [message for message in messages if not message.is_acked]
            for message in left:
                with suppress(nats.errors.Error):
                    await message.in_progress()
            await self.custody.hold(left)

    async def _hand_back(self, messages: Sequence[Msg]) -> None:
        """What is left undone goes to another worker now, not after `ack_wait`."""
        for message in messages:
            if not message.is_acked:
                with suppress(nats.errors.Error):
                    await message.nak()

    async def _suspects(self, messages: Sequence[Msg]) -> None:
        """Those that were delivered before, one by one; the least suspicious first."""
        records = []
        for message in messages:
            if self.stop.is_set():
                return
            records.append((await self.custody.suspicion(message), message))
        again = sum(not record.attempts for record, _ in records)  # those with some are explained
        self.beat.redelivered = (self.beat.redelivered or 0) + again
        for record, message in sorted(records, key=lambda pair: (pair[0].witnessed, pair[0].attempts)):
            if self.stop.is_set():
                return
            if record.attempts and self._others_first(record, message):
                await message.nak(delay=LAST_DELAY)
            elif record.witnessed >= topology.CRASHES_WITNESSED or record.attempts >= topology.CRASHES_SILENT:
                await self._give_up(message, _Crashes(record))
            else:
                await self._together([message], record)

    def _others_first(self, record: Suspect, message: Msg) -> bool:
        waited = self.beat.clock.now() - record.at
        return bool(message.metadata.num_pending) and 0 <= waited < LAST_LIMIT

    async def _together(self, messages: Sequence[Msg], record: Suspect | None = None) -> None:
        """One piece of work; `record` for a single message that is suspected."""
        known: list[tuple[Msg, Event]] = []
        for message in messages:
            try:
                known.append((message, codec.decode_from(message.subject, message.data)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                await self._give_up(message, error)
        if not known:
            return
        try:
            done = await self._persist([event for _, event in known], record)
        except (Permanent, TooSlow) as error:
            if len(known) == 1:
                await self._give_up(known[0][0], error)
                return
            half = len(known) // 2  # find the one to blame, or what can be done in time
            for part in (known[:half], known[half:]):
                await self._together([message for message, _ in part])
            return
        if done:
            for message, _ in known:
                await message.ack()
            self.beat.succeeded(len(known), self.name)

    async def _persist(self, events: Sequence[Event], record: Suspect | None) -> bool:
        """Tries until it works; False when told to stop before it did. Raises Permanent, and TooSlow for a group."""
        attempt = 0
        while not self.stop.is_set():
            try:
                return await self._attempt(events, record)
            except Transient as error:
                self.beat.failed_with(error, self.name)
                log.warning("work failed; holding messages", count=len(events), attempt=attempt, error=str(error))
                if isinstance(error, TooSlow) and len(events) > 1:
                    raise
                await either(self.stop, within=backoff(attempt))
                self.beat.set_in_flight(len(events), self.name)  # waiting for a dependency is no deadlock
                attempt += 1
        return False

    async def _attempt(self, events: Sequence[Event], record: Suspect | None) -> bool:
        """One call of the work: beside others, or alone with the attempt on record."""
        if record is None:
            async with self.gate.shared():
                return not self.stop.is_set() and await self._call(events)
        async with self.gate.alone():
            if self.stop.is_set():
                return False
            begun = await self.custody.begins(record)
            try:
                done = await self._call(events)
            except (Transient, asyncio.CancelledError):
                await self.custody.absolve(begun, record.attempts)
                raise
            except Permanent:
                await self.custody.absolve(begun, 0)
                raise
            except Exception as error:
                await self.custody.testify(begun, error)
                raise
            await self.custody.absolve(begun, 0 if done else record.attempts)
            return done

    async def _call(self, events: Sequence[Event]) -> bool:
        """False when a stop came and the work did not end soon enough after it."""
        task = asyncio.ensure_future(self.do(events))
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=WORK_GRACE)
            if task.done():
                task.result()
                return True
            return False
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=1.0)  # a frozen server must not hold the exit

    async def _give_up(self, message: Msg, error: Exception) -> None:
        """Dead letter first, stored and acknowledged; only then is the message ended."""
        self.beat.failed_with(error, self.name)
        letter = deadletters.letter(message, self.consumer, self.beat, error)
        if await deadletters.store(self.bus, letter, self.consumer, self.beat, self.stop, self.name):
            await message.term()
            log.error("dead-lettered", subject=message.subject, sequence=letter.stream_sequence, error=letter.error)


class _Crashes(Permanent):
    """The worker died with this message alone in work, again and again."""

    def __init__(self, record: Suspect) -> None:
        seen = f"; the last error: {record.error}\n{record.traceback}" if record.error else ""
        super().__init__(f"crashed its worker {record.attempts} times while it was processed alone{seen}")
