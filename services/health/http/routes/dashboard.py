"""Routes of the dashboard: its page, its modules, its events; and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from litestar import Controller, MediaType, Response, get
from litestar.exceptions import NotFoundException, TooManyRequestsException
from litestar.params import PathParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from mnemostream.runtime.heartbeat import service_version
from mnemostream.services.health.http import metrics
from mnemostream.services.health.http.assets import assets
from mnemostream.services.health.http.bodies import live
from mnemostream.services.health.http.openapi import BUSY, STARTING, text
from mnemostream.services.health.http.problems import NO_STORE, AnyRequest
from mnemostream.services.health.http.routes.provided import Cache, May, Requests, Senders
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests

EVENTS = "/v1/autosave/events"
STREAMS = 32
"""Streams of server-sent events that may be open at once."""
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
NO_CACHE = {"Cache-Control": "no-cache"}

Name = Annotated[Path, PathParameter(description="Path of a file.")]


class Dashboard(Controller):
    """Open: without the token it shows no content."""

    path = "/"

    @get(
        EVENTS,
        media_type="text/event-stream",
        responses={200: text("Server-sent events", "text/event-stream"), **BUSY, **STARTING},
    )
    async def events(self, request: AnyRequest, cache: Cache, access: May, requests: Requests) -> ServerSentEvent:
        """Server-sent events for the dashboard: `live`, the complete state without content, on every change."""
        cache.current()
        if cache.streams >= STREAMS:
            detail = f"{STREAMS} event streams are already open; close another dashboard"
            raise TooManyRequestsException(detail, headers={"Retry-After": "5"})
        headers = {**NO_STORE, "X-Accel-Buffering": "no"}
        stream = _stream(cache, requests, names=access.to_names(request))
        return ServerSentEvent(stream, headers=headers)

    @get(
        ["/metrics", "/v1/autosave/metrics"],
        media_type=MediaType.TEXT,
        responses={200: text("Prometheus text format; docs/metrics.md", "text/plain"), **STARTING},
    )
    async def prometheus(self, cache: Cache, senders: Senders) -> Response[bytes]:
        """Metrics for Prometheus."""
        figures = metrics.webhook_figures(senders)
        body = await asyncio.to_thread(metrics.render, cache.current(), figures, service_version())
        return Response(body, media_type=metrics.CONTENT_TYPE, headers=NO_STORE)

    @get("/", sync_to_thread=False, include_in_schema=False)
    def search(self) -> Response[bytes]:
        """The page to search and read."""
        return Response(assets()["search.html"], media_type=MediaType.HTML, headers=NO_CACHE)

    @get("/autosave", sync_to_thread=False, include_in_schema=False)
    def page(self) -> Response[bytes]:
        """The dashboard."""
        return Response(assets()["index.html"], media_type=MediaType.HTML, headers=NO_CACHE)

    @get("/autosave/{name:path}", sync_to_thread=False, include_in_schema=False)
    def asset(self, name: Name) -> Response[bytes]:
        """Its modules, styles and icon."""
        file = name.as_posix().lstrip("/")
        kind = KINDS.get(name.suffix)
        if kind is None or file not in assets():
            raise NotFoundException(f"no file {file[:100]!r}")
        return Response(assets()[file], media_type=kind, headers=NO_CACHE)


async def _stream(
    cache: SnapshotCache, requests: DeadLetterRequests, *, names: bool
) -> AsyncIterator[ServerSentEventMessage]:
    cache.streams += 1
    try:
        while True:
            data = cache.answer("live", lambda snapshot: live.body(snapshot, requests.pending), names=names).decode()
            yield ServerSentEventMessage(data=data, event="live", retry=2000)
            await cache.news()
    finally:
        cache.streams -= 1
