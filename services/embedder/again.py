"""Vectors made anew, on a person's request (`mnemo embed`): the message is read from the log, and worked on alone."""

from __future__ import annotations

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.requests import EmbedAgain, RetryReply
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.delivery.custody import Gate
from mnemostream.runtime.errors import MnemoError
from mnemostream.runtime.logs import Log
from mnemostream.services.embedder.embed import Embedder

log = Log("mnemo.again")


async def serve(bus: Bus, embedder: Embedder, gate: Gate) -> None:
    """Answers requests from now on; one embedder takes each."""

    async def answer(message: Msg) -> None:
        try:
            request = msgspec.json.decode(message.data, type=EmbedAgain)
            reply = RetryReply(await _again(bus, embedder, gate, request))
        except Exception as error:  # whatever it is, somebody waits for an answer
            log.error("embedding again failed", error=f"{type(error).__name__}: {error}")
            reply = RetryReply(f"{type(error).__name__}: {error}")
        await message.respond(codec.encode(reply))

    await bus.client.subscribe(subjects.EMBED_AGAIN, queue="embedders", cb=answer)


async def _again(bus: Bus, embedder: Embedder, gate: Gate, request: EmbedAgain) -> str:
    """Why it was not done; "" if the vectors are stored in the log."""
    where = f"{topology.TRANSCRIPTS.name} {request.sequence}"
    try:
        stored = await bus.stream.get_msg(topology.TRANSCRIPTS.name, request.sequence, direct=True)
        event = codec.decode_from(stored.subject or "", stored.data or b"")
    except NotFoundError:
        return f"{where} is no longer in the log"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"{where} cannot be decoded: {error}"
    except (nats.errors.Error, APIError, TimeoutError) as error:
        return f"{where} cannot be read: {error or type(error).__name__}"
    try:
        async with gate.alone():
            await embedder.work([event], request.revision)
    except MnemoError as error:
        return str(error)
    return ""
