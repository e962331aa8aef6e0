"""Dead letters tried again: a worker of the stage that gave a message up takes it from DEADLETTERS, does the work,
and removes the letter. On request only, by a person; nothing here happens by itself.

    requests.retry.<stage> ──▶ DEADLETTERS[sequence] ──▶ work ──▶ letter removed ──▶ reply

The log is not written to: a message that was given up is still in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Retry, RetryReply, Stage
from runtime.bus import Bus
from runtime.consume import Work
from runtime.errors import Permanent, Transient
from runtime.heartbeat import Beat
from runtime.logs import Log

log = Log("mnemo.retry")


async def serve(bus: Bus, stage: Stage, works: Mapping[str, Work], beat: Beat) -> None:
    """Answers requests from now on; `works` by stream. One worker of the stage takes each request."""

    async def answer(message: Msg) -> None:
        try:
            request = msgspec.json.decode(message.data, type=Retry)
            reply = RetryReply(await _retry(bus, works, beat, request.sequence))
        except Exception as error:  # whatever it is, somebody waits for an answer
            log.error("retry failed", error=f"{type(error).__name__}: {error}")
            reply = RetryReply(f"{type(error).__name__}: {error}")
        await message.respond(codec.encode(reply))

    await bus.client.subscribe(subjects.retry(stage), queue="workers", cb=answer)
    await bus.client.flush()


async def _retry(bus: Bus, works: Mapping[str, Work], beat: Beat, sequence: int) -> str:
    """What went wrong; "" when the work is done and the letter is gone."""
    stream = topology.DEADLETTERS.name
    try:
        letter = codec.decode((await bus.stream.get_msg(stream, sequence, direct=True)).data or b"")
    except NotFoundError:
        return "there is no such dead letter (any more)"
    except (nats.errors.Error, APIError, TimeoutError) as error:
        return f"the letter cannot be read: {error}"
    if not isinstance(letter, DeadLetter) or letter.stream not in works:
        return "this is no dead letter of this stage"
    try:
        await works[letter.stream]([codec.decode(letter.payload)])
    except (msgspec.DecodeError, UnicodeDecodeError, Permanent, Transient) as error:
        log.warning("dead letter failed again", sequence=sequence, error=str(error))
        return f"it failed again: {error}"
    try:
        await bus.stream.delete_msg(stream, sequence)
    except (nats.errors.Error, APIError, TimeoutError) as error:
        return f"the work is done, but the letter could not be removed: {error}"
    beat.succeeded(1, f"{letter.stream}.{letter.stage}")
    log.info("dead letter done", sequence=sequence, subject=letter.subject)
    return ""
