"""Routes about what is archived: recent conversations, one whole conversation, the timeline."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ServiceUnavailableException
from litestar.params import PathParameter, QueryParameter

from mnemostream.contracts.http.archive import FullConversation, Recent, Timeline
from mnemostream.services.health.http.bodies import archive as bodies
from mnemostream.services.health.http.bodies import examples
from mnemostream.services.health.http.bodies.nameless import nameless
from mnemostream.services.health.http.openapi import BAD, CLOSED, MISSING, SECURED, STARTING, spec
from mnemostream.services.health.http.problems import AnyRequest, json_answer
from mnemostream.services.health.http.routes.provided import Cache, May, OnePage
from mnemostream.services.health.observe.store import FAILURES, Store, describe

CHARACTERS = 4_000_000
"""Most characters of the records of one page; half of it for the prompt and for the answer."""

Exchange = Annotated[str, PathParameter(description="`exchange_id` of a conversation.")]
Days = Annotated[int, QueryParameter(ge=1, le=365, description="Days to look back.")]


READS = 4
"""Conversations that may be read from the database at once."""


class ConversationReader:
    """Reads whole conversations, a few at once, and refuses when the database does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Semaphore(READS)

    async def older(self, limit: int, offset: int) -> list[dict[str, Any]]:
        """Conversations from the database. Raises ServiceUnavailableException."""
        return await self._asked("recent", limit, offset, False)

    async def _asked(self, name: str, *args: Any) -> list[dict[str, Any]]:
        if self._reading.locked():
            raise ServiceUnavailableException("too many conversations are being read; retry in a second")
        async with self._reading:
            try:
                return await self._store.ask(name, *args)
            except FAILURES as error:
                raise ServiceUnavailableException(f"the database does not answer: {describe(error)}") from error

    async def read(self, exchange: str, limit: int, offset: int) -> FullConversation:
        """Raises NotFoundException, ServiceUnavailableException."""
        if "\0" in exchange:
            raise NotFoundException("no conversation has this ID")
        rows = await self._asked("conversation", exchange, CHARACTERS // 2)
        if not rows:
            raise NotFoundException(f"no conversation {exchange[:100]!r}; see `recent` for a list")
        place = (exchange, rows[0]["transcript_id"], limit, offset, CHARACTERS)
        records = await self._asked("conversation_records", *place)
        return bodies.conversation(rows[0], records, offset)


Reader = NamedDependency[ConversationReader]


class Conversations(Controller):
    """Content needs the token, on loopback too."""

    path = "/v1/autosave"

    @get(
        "/recent",
        security=SECURED,
        responses={200: spec(Recent, examples.RECENT, "A page"), **BAD, **CLOSED, **STARTING},
    )
    async def recent(
        self, request: AnyRequest, cache: Cache, access: May, reader: Reader, content_page: OnePage
    ) -> Response[bytes]:
        """List conversations, the newest first, with shortened texts; all of them can be paged through. Secrets are
        masked."""
        access.to_content(request)
        known, limit, offset = cache.current().recent, content_page.limit, content_page.offset
        total = known[0]["total"] if known else 0
        rows = known[offset : offset + limit]
        if len(rows) < limit and offset + len(rows) < total:  # older than those that are kept at hand
            rows = await reader.older(limit, offset)
        return access.masks.answer(bodies.recent(rows, total, offset), reveal=content_page.reveal)

    @get(
        "/conversation/{exchange:str}",
        security=SECURED,
        responses={
            200: spec(FullConversation, examples.CONVERSATION, "The whole conversation"),
            **MISSING,
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    async def conversation(
        self,
        request: AnyRequest,
        access: May,
        reader: Reader,
        exchange: Exchange,
        records_page: OnePage,
    ) -> Response[bytes]:
        """Get one conversation with its full texts; secrets are masked. Reads the database on each request."""
        access.to_content(request)
        body = await reader.read(exchange, records_page.limit, records_page.offset)
        return await asyncio.to_thread(access.masks.answer, body, reveal=records_page.reveal)

    @get(
        "/timeline",
        sync_to_thread=False,
        responses={200: spec(Timeline, examples.TIMELINE, "Imports and status changes"), **BAD, **STARTING},
    )
    def timeline(
        self, request: AnyRequest, cache: Cache, access: May, page: OnePage, days: Days = 7
    ) -> Response[bytes]:
        """List imports per hour and per day, and status changes, newest first."""
        body = bodies.timeline(cache.current(), days, page.limit, page.offset)
        return json_answer(msgspec.json.encode(body) if access.to_names(request) else nameless(cache.current(), body))
