"""Dead letters: stored and acknowledged before the message they stand for is ended."""

from __future__ import annotations

import asyncio
import traceback

import msgspec
from nats.aio.msg import Msg

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.errors import Permanent, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.tasks import either

log = Log("mnemo.deadletters")

RETRY_SECONDS = 5.0
ROOM = topology.MAX_PAYLOAD - 64 * 1024
"""Most bytes of a letter; the rest of the server's `max_payload` is for headers."""
ERROR_CHARS = 4_000
TRACEBACK_CHARS = 64_000


def letter(message: Msg, consumer: topology.Consumer, beat: Beat, error: Exception) -> DeadLetter:
    """The letter for one message; its payload by reference where it would not fit."""
    at = message.metadata
    size = len(message.data)
    fits = (size + 2) // 3 * 4 + ERROR_CHARS * 6 + TRACEBACK_CHARS * 6 + 4096 < ROOM  # base64; \\uXXXX at worst
    return DeadLetter(
        stage=consumer.stage,
        instance=beat.instance,
        subject=message.subject,
        stream=at.stream,
        stream_sequence=at.sequence.stream,
        deliveries=at.num_delivered,
        error=f"{type(error).__name__}: {error}"[:ERROR_CHARS],
        traceback="".join(traceback.format_exception(error))[-TRACEBACK_CHARS:],
        payload=message.data if fits else b"",
        sent_at=beat.clock.now(),
        by_reference=not fits,
        payload_bytes=size,
    )


async def store(
    bus: Bus, dead_letter: DeadLetter, consumer: topology.Consumer, beat: Beat, stop: asyncio.Event, loop_name: str
) -> bool:
    """True when the letter is stored; False when told to stop before it was. Never raises for a letter's size."""
    name = f"dead:{dead_letter.stream}:{dead_letter.stream_sequence}:{consumer.name}"
    while True:
        try:
            await bus.publish(Message(subjects.deadletter(consumer.stage), codec.encode(dead_letter), name))
            return True
        except Permanent:
            if dead_letter.by_reference and not dead_letter.traceback:
                raise
            dead_letter = _smaller(dead_letter)
        except Transient as failure:
            beat.failed_with(f"dead letter not stored yet: {failure}", loop_name)
            log.warning("dead letter not stored yet", error=str(failure))
            await either(stop, within=RETRY_SECONDS)
            beat.set_in_flight(1, loop_name)  # waiting for the bus is no deadlock
            if stop.is_set():
                return False


def _smaller(dead_letter: DeadLetter) -> DeadLetter:
    """By reference and without its traceback: for a server with a smaller `max_payload` than ours."""
    bare = {"payload": b"", "by_reference": True, "traceback": "", "error": dead_letter.error[:500]}
    return msgspec.structs.replace(dead_letter, **bare)
