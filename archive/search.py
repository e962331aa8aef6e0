"""`mnemo search`: a query to a vector by an embedder, a vector to exchanges by the database."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec
import nats.errors

from archive import queries
from archive.copies import Addresses
from contracts import codec, subjects
from contracts.requests import EmbedQuery, EmbedReply
from runtime import bus
from runtime.errors import Misconfigured, Transient
from runtime.secrets.mask import masked_cut
from runtime.secrets.scan import Scanner


class CannotSearch(Exception):
    """The text says what to do."""


async def search(addresses: Addresses, text: str, limit: int, scanner: Scanner | None = None) -> list[dict[str, Any]]:
    """The nearest exchanges, best first; with a scanner, secrets in their snippets are masked. Raises CannotSearch."""
    reply = await _embed(addresses.nats_url, text)
    vector = memoryview(reply.vector).cast("f")
    try:
        connection = await asyncpg.connect(addresses.postgres_dsn, timeout=5, command_timeout=30)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise CannotSearch(f"the database does not answer ({error}); see `mnemo status`") from error
    try:
        literal = "[" + ",".join(repr(float(x)) for x in vector) + "]"
        rows = await connection.fetch(queries.read("search"), literal, reply.model, limit)
    finally:
        connection.terminate()  # nothing to finish, and a server that dies now must not hold us
    return [_hit(dict(row), scanner) for row in rows]


def _hit(row: dict[str, Any], scanner: Scanner | None) -> dict[str, Any]:
    """With its snippet: a chunk may begin or end within a secret, so the whole text is looked at."""
    body, begin, stop = (row.pop(name) for name in ("body", "begin_char", "stop_char"))
    return {**row, "snippet": masked_cut(body, begin, stop, scanner) if scanner else body[begin:stop]}


async def _embed(url: str, text: str) -> EmbedReply:
    try:
        async with bus.connect(url, "search", within=5) as connection:
            asked = codec.encode(EmbedQuery(text))
            answer = await connection.client.request(subjects.EMBED_QUERY, asked, timeout=30)
        reply = msgspec.json.decode(answer.data, type=EmbedReply)
    except (Transient, Misconfigured) as error:
        raise CannotSearch(f"NATS does not answer ({error}); is `mnemo up` running?") from error
    except nats.errors.NoRespondersError as error:
        raise CannotSearch("no embedder is running (or its model is still loading); see `mnemo status`") from error
    except (TimeoutError, nats.errors.Error) as error:
        raise CannotSearch("the embedders did not answer within 30 s; see `mnemo status`") from error
    if reply.error:
        raise CannotSearch(reply.error)
    return reply
