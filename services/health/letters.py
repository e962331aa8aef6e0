"""Dead letters out of their stream, for people, and requests to try them again."""

from __future__ import annotations

import msgspec
import nats.errors
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Retry, RetryReply, Stage
from runtime.bus import Bus
from runtime.logs import Log
from services.health.desk import Desk
from services.health.history import history
from services.health.observer import Observer
from services.health.snapshot import Letter
from services.health.window import StreamState

log = Log("mnemo.health.letters")

KEPT = 200
"""The newest letters that are shown; all of them stay in the stream."""
TEXT_CHARS = 2000
RETRY_TIMEOUT = 60.0


class Letters:
    """Follows DEADLETTERS; reads only when the stream has changed."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._seen = StreamState()

    async def look(self, bus: Bus) -> None:
        """Reads new letters; when some were removed, all again. Raises Transient."""
        stream = topology.DEADLETTERS.name
        state = self.observer.bus.streams.get(stream)
        if state is None or (state.last, state.messages) == (self._seen.last, self._seen.messages):
            return
        known = self.observer.letters
        if state.last < self._seen.last:  # another stream under the same name
            known.clear()
            self._seen = StreamState()
        fewer = state.messages - self._seen.messages < state.last - self._seen.last
        first = max(state.first, state.last - KEPT + 1, 1 if fewer else self._seen.last + 1)
        there: set[int] = set()
        if state.messages and first <= state.last:
            async for stored in history(bus, stream, first):  # one after the other: each may be large
                there.add(stored.sequence)
                if stored.sequence not in known and (letter := _letter(stored.sequence, stored.at, stored.payload)):
                    known[stored.sequence] = letter
        for sequence in [gone for gone in known if fewer and gone not in there]:
            del known[sequence]
        for sequence in sorted(known)[:-KEPT]:
            del known[sequence]
        self._seen = state

    async def retries(self, bus: Bus, desk: Desk) -> None:
        """Hands on what is asked for, one after the other."""
        while True:
            sequence = await desk.retries.get()
            letter = self.observer.letters.get(sequence)
            if letter is None:
                continue
            self.observer.letters[sequence] = msgspec.structs.replace(letter, retry="pending")
            error = await _retried(bus, sequence, Stage(letter.stage))
            log.info("retry of a dead letter", sequence=sequence, error=error)
            if sequence not in self.observer.letters:
                continue
            if error:
                self.observer.letters[sequence] = msgspec.structs.replace(letter, retry=error)
            else:
                del self.observer.letters[sequence]


async def _retried(bus: Bus, sequence: int, stage: Stage) -> str:
    try:
        answer = await bus.client.request(subjects.retry(stage), codec.encode(Retry(sequence)), timeout=RETRY_TIMEOUT)
        return msgspec.json.decode(answer.data, type=RetryReply).error
    except nats.errors.NoRespondersError:
        return f"no {stage} runs that could try it"
    except (nats.errors.Error, APIError, TimeoutError, OSError, msgspec.DecodeError) as error:
        return f"no answer of the {stage}: {error or type(error).__name__}"


def _letter(sequence: int, at: float, payload: bytes) -> Letter | None:
    try:
        event = codec.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("dead letter not understood", sequence=sequence, error=str(error))
        return None
    if not isinstance(event, DeadLetter):
        return None
    return Letter(
        sequence=sequence,
        stage=event.stage,
        subject=event.subject,
        stream=event.stream,
        stream_sequence=event.stream_sequence,
        deliveries=event.deliveries,
        error=event.error[:TEXT_CHARS],
        traceback=event.traceback[-TEXT_CHARS:],
        instance=event.instance,
        at=at,
        size=len(event.payload),
        text=event.payload[:TEXT_CHARS].decode("utf-8", "replace"),
    )
