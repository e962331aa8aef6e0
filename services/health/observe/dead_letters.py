"""Dead letters out of their stream, for people, and requests to try them again or to drop them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Set
from contextlib import aclosing

import msgspec
import nats.errors
from nats.js.errors import APIError

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, DeadLetterDropped, Stage
from mnemostream.contracts.requests import Retry, RetryReply
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import Clock
from mnemostream.runtime.errors import Permanent, Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.secrets.mask import without_halves
from mnemostream.runtime.streams import Stored, deleted, history
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.snapshot import KeptLetter
from mnemostream.services.health.judge.window import StreamState

log = Log("mnemo.health.letters")

KEPT = 200
"""The newest letters that are shown; all of them stay in the stream."""
QUEUE = 256
"""Requests that may be pending at once."""
TEXT_CHARS = 2000
RETRY_TIMEOUT = 60.0
REFUSED = ("ValidationError: ", f"{codec.NewerVersion.__name__}: ")
"""How the error of a message begins that a worker of an earlier version could not read."""


class DeadLetterRequests:
    """What people want done with dead letters: tried again (`retry`) or removed (`drop`)."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, int, str]] = asyncio.Queue(QUEUE)
        self.pending: set[int] = set()
        """Dead letters with a request that has no outcome yet."""

    def ask(self, sequence: int, what: str = "retry", why: str = "") -> bool:
        """Asks for one thing at a time, once however often it is called; False when too many are pending. `why` a
        letter is dropped, for the record."""
        if sequence in self.pending:
            return True
        if self.queue.full():
            return False
        self.pending.add(sequence)
        self.queue.put_nowait((what, sequence, why))
        return True


class DeadLetterReader:
    """Follows DEADLETTERS; reads only when the stream has changed."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self.observer = observer
        self.clock = clock
        self._seen = StreamState()

    async def look(self, bus: Bus) -> None:
        """Reads the newest letters that are there and not known yet; forgets those that are gone. Raises Transient."""
        stream = topology.DEADLETTERS.name
        state = self.observer.bus.streams.get(stream)
        if state is None or (state.last, state.messages) == (self._seen.last, self._seen.messages):
            return
        known = self.observer.dead_letters
        if state.last < self._seen.last:  # another stream under the same name
            known.clear()
        holes = state.messages < state.last - state.first + 1
        there = newest(state, await deleted(bus, stream) if holes else frozenset(), KEPT)
        for sequence in known.keys() - there:
            del known[sequence]
        if missing := there - known.keys():
            async with aclosing(history(bus, stream, min(missing))) as kept:  # one after the other: each may be large
                async for stored in kept:
                    if stored.sequence in missing:
                        known[stored.sequence] = _letter(stored)
        self._seen = state

    async def requests(self, bus: Bus, asked: DeadLetterRequests) -> None:
        """Does what is asked for, one after the other."""
        while True:
            what, sequence, why = await asked.queue.get()
            try:
                if letter := self.observer.dead_letters.get(sequence):
                    await (self._drop(bus, letter, why) if what == "drop" else self._retry(bus, letter))
            finally:
                asked.pending.discard(sequence)

    async def _retry(self, bus: Bus, letter: KeptLetter) -> None:
        error = await _retried(bus, letter.sequence, Stage(letter.stage))
        if not error and (error := await _removed(bus, letter)):
            error = f"the retry succeeded, but the dead letter could not be removed: {error}"
        log.info("dead letter retry finished", sequence=letter.sequence, error=error)
        self._settled(letter, error)

    async def _drop(self, bus: Bus, letter: KeptLetter, why: str) -> None:
        """Removes the letter, once it is on record that somebody wanted it; what it stands for stays in the log."""
        if error := await _recorded(bus, letter, why, self.clock.now()) or await _removed(bus, letter):
            self._settled(letter, f"not dropped: {error}")
            return
        facts = {"subject": letter.subject, "error": letter.error[:200], "why": why}
        log.info("dead letter dropped", sequence=letter.sequence, **facts)
        self._settled(letter, "")

    def _settled(self, letter: KeptLetter, error: str) -> None:
        known = self.observer.dead_letters
        if not error:
            known.pop(letter.sequence, None)
        elif letter.sequence in known:
            known[letter.sequence] = msgspec.structs.replace(letter, retry=error)


async def _recorded(bus: Bus, letter: KeptLetter, why: str, at: float) -> str:
    """Why the drop could not be put on record; "" if it was. A repeat within the duplicate window is the same."""
    event = DeadLetterDropped(
        letter.stage, letter.sequence, letter.subject, letter.stream, letter.stream_sequence, letter.error, why, at
    )
    try:
        name = f"dropped:{letter.sequence}"
        await bus.publish(Message(subjects.letter_dropped(letter.stage), codec.encode(event), name))
    except (Permanent, Transient) as error:
        return str(error)
    return ""


async def _removed(bus: Bus, letter: KeptLetter) -> str:
    """Why a letter could not be removed; "" if it is gone."""
    try:
        await bus.stream.delete_msg(topology.DEADLETTERS.name, letter.sequence)
    except (nats.errors.Error, APIError, TimeoutError, OSError) as error:
        return str(error or type(error).__name__)
    return ""


async def _retried(bus: Bus, sequence: int, stage: Stage) -> str:
    try:
        answer = await bus.client.request(subjects.retry(stage), codec.encode(Retry(sequence)), timeout=RETRY_TIMEOUT)
        return msgspec.json.decode(answer.data, type=RetryReply).error
    except nats.errors.NoRespondersError:
        return f"no {stage} is running to retry it"
    except (nats.errors.Error, APIError, TimeoutError, OSError, msgspec.DecodeError) as error:
        return f"no answer from the {stage}: {error or type(error).__name__}"


def newest(state: StreamState, gone: Set[int], most: int) -> set[int]:
    """Sequences of the newest messages that a stream holds."""
    there = (sequence for sequence in range(state.last, max(state.first, 1) - 1, -1) if sequence not in gone)
    return set(itertools.islice(there, most)) if state.messages else set()


def _letter(stored: Stored) -> KeptLetter:
    """For people. What is not understood is shown too: it is in the stream, and somebody must look at it."""
    try:
        event = codec.decode(stored.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        event, why = None, f"cannot be decoded: {error}"
    else:
        why = f"this is not a dead letter: {type(event).__name__}"
    if not isinstance(event, DeadLetter) or stored.subject != subjects.deadletter(event.stage):
        text = _start(stored.payload)
        facts = ("", topology.DEADLETTERS.name, stored.sequence, 0, why, "", "", stored.at, len(stored.payload), text)
        return KeptLetter(stored.sequence, stored.subject.rpartition(".")[2], *facts)
    return KeptLetter(
        sequence=stored.sequence,
        stage=stored.subject.rpartition(".")[2],  # users of the bus may write under their own stage only
        subject=event.subject,
        stream=event.stream,
        stream_sequence=event.stream_sequence,
        deliveries=event.deliveries,
        error=without_halves(event.error[:TEXT_CHARS], end=len(event.error) > TEXT_CHARS),
        traceback=without_halves(event.traceback[-TEXT_CHARS:], begin=len(event.traceback) > TEXT_CHARS),
        instance=event.instance,
        at=stored.at,
        size=event.payload_bytes or len(event.payload),
        text=_start(event.payload),
        by_reference=event.by_reference,
        readable="version" in event.error and event.error.startswith(REFUSED) and _readable(event.payload),
    )


def _readable(payload: bytes) -> bool:
    try:
        codec.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _start(payload: bytes) -> str:
    return without_halves(payload[:TEXT_CHARS].decode("utf-8", "replace"), end=len(payload) > TEXT_CHARS)
