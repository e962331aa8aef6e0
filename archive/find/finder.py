"""A finder: connections to the database and, as soon as one is asked, to the embedders."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import nats.errors

from mnemostream.archive.copies import Addresses
from mnemostream.archive.find.answer import CannotSearch, Searched
from mnemostream.archive.find.question import Question
from mnemostream.archive.find.search import search
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.requests import EmbedQuery, EmbedReply
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.secrets.scan import Scanner

CONNECTIONS = 4
"""All sides of a search look at once."""
PLANS = {"plan_cache_mode": "force_custom_plan", "jit": "off"}
"""Which index is best depends on the words: a plan made without them scans tables. Compiling a plan
takes longer than it saves."""


async def as_it_is(connection: object) -> None:
    """A connection that is given back to a pool: nothing was set in it, and to reset it takes a round trip."""


REMEMBERED = 256
"""Vectors of the latest queries: who types asks again."""
LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Finder:
    """Answers questions. Use `opened`."""

    def __init__(self, pool: Any, nats: Embedders) -> None:
        self.pool = pool
        self._embedders = nats

    async def search(self, question: Question, scanner: Scanner | None = None) -> Searched:
        """The best sessions or exchanges, with secrets masked by a scanner. Raises CannotSearch."""
        try:
            return await search(self.pool, self._embedders.embed, question, scanner)
        except LOST as error:
            raise CannotSearch(f"the database does not answer ({error or type(error).__name__})") from error


class Embedders:
    """The embedders, asked by request and reply. Connects when first asked, and again when the bus was away."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack
        self._bus: Bus | None = None
        self._lock = asyncio.Lock()
        self._known: OrderedDict[str, EmbedReply] = OrderedDict()

    async def embed(self, text: str, seconds: float) -> EmbedReply:
        """The vector of a text. Raises CannotSearch."""
        if text in self._known:
            self._known.move_to_end(text)
            return self._known[text]
        try:
            connected = await self._connected()
            request = codec.encode(EmbedQuery(text))
            answer = await connected.client.request(subjects.EMBED_QUERY, request, timeout=seconds)
            reply = msgspec.json.decode(answer.data, type=EmbedReply)
        except (Transient, Misconfigured) as error:
            raise CannotSearch(f"NATS does not answer ({error}); is `mnemo up` running?") from error
        except nats.errors.NoRespondersError as error:
            raise CannotSearch("no embedder is running, or its model is still loading; see `mnemo status`") from error
        except (TimeoutError, nats.errors.Error, msgspec.DecodeError) as error:
            raise CannotSearch(f"the embedders did not answer within {seconds:g} s; see `mnemo status`") from error
        if reply.error:
            raise CannotSearch(reply.error)
        self._known[text] = reply
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return reply

    async def _connected(self) -> Bus:
        async with self._lock:
            if self._bus is None:
                self._bus = await self._stack.enter_async_context(bus.connect(self._url, "search", within=5))
            return self._bus


@asynccontextmanager
async def opened(addresses: Addresses) -> AsyncIterator[Finder]:
    """A finder on these addresses. Raises CannotSearch."""
    async with AsyncExitStack() as stack:
        try:
            pool = await asyncpg.create_pool(
                addresses.postgres_dsn,
                min_size=1,
                max_size=CONNECTIONS,
                timeout=5,
                command_timeout=30,
                server_settings=PLANS,
                reset=as_it_is,
            )
        except LOST as error:
            raise CannotSearch(f"the database does not answer ({error}); see `mnemo status`") from error
        stack.callback(pool.terminate)  # nothing to finish, and a server that dies now must not hold us
        yield Finder(pool, Embedders(addresses.nats_url, stack))
