"""What is in hand, and what is suspected: two records on the bus that outlive the process (docs/adr/0015).

INFLIGHT (memory)  the ack subjects of all that one loop holds. Written without waiting; a successor of the same name
                   hands those messages back at once. Where it is lost, the server delivers again after `ack_wait`.
SUSPECTS (file)    for a message that was delivered before: how often a worker began with it alone and died. Written
                   and acknowledged before the work begins, cleared when the work has any outcome.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import InFlight, Suspect
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus, Message, translated
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.streams import Selection

log = Log("mnemo.custody")

RANGE = 5000
"""Most sequences that are looked through at a start."""
LOOKUP = 3.0
"""Longest wait for one record, seconds."""
FAILURES = (nats.errors.Error, APIError, TimeoutError, OSError)


class Gate:
    """Groups work side by side; a suspect alone in the whole process: its crash blames and harms nobody else."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._groups = 0
        self._alone = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Beside other groups; waits while a suspect is in work or waits its turn."""
        async with self._condition:
            await self._condition.wait_for(lambda: not self._alone)
            self._groups += 1
        try:
            yield
        finally:
            async with self._condition:
                self._groups -= 1
                self._condition.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """By itself, when all that is in work has ended."""
        async with self._condition:
            await self._condition.wait_for(lambda: not self._alone)
            self._alone = 1
            try:
                await self._condition.wait_for(lambda: not self._groups)
            except BaseException:
                self._alone = 0
                self._condition.notify_all()
                raise
        try:
            yield
        finally:
            async with self._condition:
                self._alone = 0
                self._condition.notify_all()


def sequence_of(ack: str) -> int:
    """The stream sequence in an ack subject: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.…`, or the same behind
    a domain and an account.

    >>> sequence_of("$JS.ACK.TRANSCRIPTS.writer.1.7.8.1795598481148255361.0")
    7
    """
    parts = ack.split(".")
    return int(parts[5] if len(parts) < 11 else parts[7])


def _in_flight(payload: bytes) -> list[str]:
    try:
        event = codec.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return event.acks if isinstance(event, InFlight) else []


class Custody:
    """The records of one loop of one worker."""

    def __init__(self, bus: Bus, consumer: topology.Consumer, beat: Beat) -> None:
        self._bus = bus
        self._consumer = consumer
        self._beat = beat
        self._subject = subjects.in_flight(consumer.stage, beat.instance, consumer.stream)

    async def hand_back(self) -> None:
        """What a predecessor of the same name held when it died goes back to the server at once; then a record of ours.

        That is what its record names, and what was delivered and is in no other worker's record: it died before it
        could write it down. A message that another worker has got just now may come twice, which is harmless.
        """
        last = await self._last(topology.IN_FLIGHT.name, self._subject)
        if isinstance(last, InFlight) and not last.ended and last.boot_id != self._beat.boot_id:
            await self._hand_back_of_the_dead()
        await self.hold([])
        with suppress(*FAILURES):
            await self._bus.client.flush(timeout=2)  # from here on a death leaves a trace

    async def _hand_back_of_the_dead(self) -> None:
        stream, consumer = self._consumer.stream, self._consumer.name
        try:
            info = await self._bus.stream.consumer_info(stream, consumer, timeout=LOOKUP)
            if not info.num_ack_pending or not info.ack_floor or not info.delivered:
                return
            held = await self._held_by_others()
        except (*FAILURES, Transient) as error:
            log.warning("crashed worker's messages not released; awaiting redelivery", error=str(translated(error)))
            return
        first, last = info.ack_floor.stream_seq + 1, info.delivered.stream_seq
        left = [sequence for sequence in range(first, min(last, first + RANGE) + 1) if sequence not in held]
        if not left:
            return
        acks = [f"$JS.ACK.{stream}.{consumer}.1.{sequence}.{info.delivered.consumer_seq}.0.0" for sequence in left]
        for ack in acks:  # the server passes over those that are not pending
            await self._bus.client.publish(ack, b"-NAK")
        with suppress(*FAILURES):  # an answer says that all of them were dealt with: a pull must not overtake them
            await self._bus.client.request(acks[-1], b"-NAK", timeout=LOOKUP)
        log.info("released messages held by a crashed worker", candidates=len(acks), pending=info.num_ack_pending)

    async def _held_by_others(self) -> set[int]:
        """Sequences in the records of other instances, living or not: those of the dead are their successors'."""
        sequences: set[int] = set()
        every = subjects.in_flight(self._consumer.stage, "*", self._consumer.stream)
        async with aclosing(
            streams.read(self._bus, topology.IN_FLIGHT.name, Selection(filters=[every], last=True))
        ) as messages:
            async for message, _ in messages:
                if message.subject != self._subject:
                    sequences.update(sequence_of(ack) for ack in _in_flight(message.data))
        return sequences

    async def leave(self) -> None:
        """This worker stops as asked, and holds nothing."""
        await self.hold([], ended=True)

    async def hold(self, messages: Sequence[Msg], *, ended: bool = False) -> None:
        """These are in hand now. Nobody waits for it to be stored: it only makes a recovery faster."""
        event = InFlight(
            stage=self._consumer.stage,
            instance=self._beat.instance,
            boot_id=self._beat.boot_id,
            stream=self._consumer.stream,
            consumer=self._consumer.name,
            acks=[message.reply for message in messages],
            sent_at=self._beat.clock.now(),
            ended=ended,
        )
        try:
            await self._bus.client.publish(self._subject, codec.encode(event))
        except FAILURES as error:
            log.warning("in-flight messages not recorded", error=str(error) or type(error).__name__)

    async def suspicion(self, message: Msg) -> Suspect:
        """The record of a message of the stream; an empty one if there is none, or none can be read."""
        sequence, stored_at = message.metadata.sequence.stream, message.metadata.timestamp.timestamp()
        record = await self._last(topology.SUSPECTS.name, self._suspect(sequence))
        if isinstance(record, Suspect) and record.stored_at == stored_at:
            return record
        return Suspect(
            stage=self._consumer.stage,
            instance=self._beat.instance,
            stream=self._consumer.stream,
            consumer=self._consumer.name,
            stream_sequence=sequence,
            attempts=0,
            witnessed=0,
            error="",
            traceback="",
            at=0.0,
            stored_at=stored_at,
        )

    async def begins(self, record: Suspect) -> Suspect:
        """The message goes to work alone, with one attempt more against it. Raises Transient: then it must wait."""
        return await self._store(record, attempts=record.attempts + 1)

    async def absolve(self, record: Suspect, attempts: int) -> None:
        """The attempt had an outcome: it is taken back. If that is not stored, one attempt too many counts."""
        try:
            await self._store(record, attempts=attempts, **({} if attempts else {"witnessed": 0}))
        except Transient as error:
            log.warning("suspected crash not cleared", sequence=record.stream_sequence, error=str(error))

    async def testify(self, record: Suspect, error: BaseException) -> None:
        """The attempt ends this process by an error that we can name."""
        text = "".join(traceback.format_exception(error))[-8000:]
        description = f"{type(error).__name__}: {error}"[:500]
        try:
            await self._store(record, witnessed=record.witnessed + 1, error=description, traceback=text)
        except Transient as failure:
            log.warning("crash not recorded", sequence=record.stream_sequence, error=str(failure))

    def _suspect(self, sequence: int) -> str:
        return subjects.suspect(self._consumer.stream, self._consumer.name, sequence)

    async def _store(self, record: Suspect, **changed: object) -> Suspect:
        fresh = msgspec.structs.replace(record, instance=self._beat.instance, at=self._beat.clock.now(), **changed)
        name = f"suspect:{self._suspect(record.stream_sequence)}:{fresh.at}:{fresh.attempts}:{fresh.witnessed}"
        await self._bus.publish(Message(self._suspect(record.stream_sequence), codec.encode(fresh), name))
        return fresh

    async def _last(self, stream: str, subject: str) -> object:
        """The last event of a subject; None if there is none, or it cannot be had now."""
        try:
            async with asyncio.timeout(LOOKUP):
                message = await self._bus.stream.get_last_msg(stream, subject, direct=True)
            return codec.decode(message.data or b"")
        except NotFoundError:
            return None
        except (*FAILURES, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("cannot read record", subject=subject, error=str(translated(error)))
            return None
