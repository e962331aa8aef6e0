"""Dead letters tried again: a worker of the stage that gave a message up reads the original from the log and does the
work. On request only, by a person; nothing here happens by itself. Who asked removes the letter.

    requests.retry.<stage> ──▶ DEADLETTERS[n] ──▶ log[stream, sequence] ──▶ work, alone ──▶ reply

The letter says where the original is; what is done is the original. A letter counts for the stage of its subject,
whatever stands in it: users of the bus may write letters of their own stage only.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Event, Stage
from mnemostream.contracts.requests import Retry, RetryReply
from mnemostream.contracts.transcripts import TranscriptForgotten
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.delivery.settle import Work
from mnemostream.runtime.errors import Permanent, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log

log = Log("mnemo.retry")
FAILURES = (nats.errors.Error, APIError, TimeoutError)


class Declined(Exception):
    """The letter is not tried; the text says why."""


async def serve(bus: Bus, stage: Stage, works: Mapping[topology.Consumer, Work], beat: Beat, gate: Gate) -> None:
    """Answers requests from now on; one worker of the stage takes each request."""

    async def answer(message: Msg) -> None:
        try:
            request = msgspec.json.decode(message.data, type=Retry)
            await _retry(bus, stage, works, beat, gate, request.sequence)
            reply = RetryReply()
        except Declined as error:
            reply = RetryReply(str(error))
        except Exception as error:  # whatever it is, somebody waits for an answer
            log.error("retry failed", error=f"{type(error).__name__}: {error}")
            reply = RetryReply(f"{type(error).__name__}: {error}")
        await message.respond(codec.encode(reply))

    await bus.client.subscribe(subjects.retry(stage), queue="workers", cb=answer)
    await bus.client.flush()


async def _retry(
    bus: Bus, stage: Stage, works: Mapping[topology.Consumer, Work], beat: Beat, gate: Gate, sequence: int
) -> None:
    """Does the work. Raises Declined."""
    letter = await _letter(bus, stage, sequence)
    consumer = next((c for c in works if c.stage is stage and c.stream == letter.stream), None)
    if consumer is None:
        raise Declined(f"the {stage} does not read {letter.stream[:80]}")
    event = await _original(bus, consumer, letter)
    try:
        async with gate.alone():
            await works[consumer]([event])
    except (Permanent, Transient) as error:
        log.warning("dead letter failed again", sequence=sequence, error=str(error))
        raise Declined(f"it failed again: {error}") from error
    beat.succeeded(1, f"{consumer.stream}.{consumer.name}")
    log.info("dead letter retried successfully", sequence=sequence, subject=letter.subject)


async def _letter(bus: Bus, stage: Stage, sequence: int) -> DeadLetter:
    try:
        stored = await bus.stream.get_msg(topology.DEADLETTERS.name, sequence, direct=True)
        letter = codec.decode(stored.data or b"")
    except NotFoundError as error:
        raise Declined("this dead letter does not exist (any more)") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Declined(f"cannot decode the dead letter: {error}") from error
    except FAILURES as error:
        raise Declined(f"cannot read the dead letter: {error or type(error).__name__}") from error
    if not isinstance(letter, DeadLetter) or stored.subject != subjects.deadletter(stage):
        raise Declined(f"this is not a dead letter of the {stage}")
    return letter


async def _original(bus: Bus, consumer: topology.Consumer, letter: DeadLetter) -> Event:
    """The message in the log that the letter stands for."""
    where = f"{letter.stream} {letter.stream_sequence}"
    try:
        stored = await bus.stream.get_msg(letter.stream, letter.stream_sequence, direct=True)
        event = codec.decode_from(stored.subject or "", stored.data or b"")
    except NotFoundError as error:
        raise Declined(f"{where} is no longer in the log (forgotten?): drop the dead letter") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Declined(f"it failed again: cannot decode {where}: {error}") from error
    except FAILURES as error:
        raise Declined(f"cannot read {where}: {error or type(error).__name__}") from error
    if stored.subject != letter.subject:
        raise Declined(f"the dead letter does not match {where}, whose subject is {stored.subject}")
    if isinstance(event, TranscriptForgotten):
        raise Declined("tombstones cannot be retried: run `mnemo forget` again")
    return event
