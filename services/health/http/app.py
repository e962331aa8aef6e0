"""The HTTP API. Handlers answer from the finished snapshot and wait for nothing; one exception is named as such.

A new route is a method of the controller for its noun (`status`, `archive`, `dead_letters`, `dashboard`), its body a
type in contracts/http.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.di import Provide

from mnemostream.services.health.http import openapi, problems
from mnemostream.services.health.http.access import Access, guards
from mnemostream.services.health.http.finding import Finding
from mnemostream.services.health.http.routes import search
from mnemostream.services.health.http.routes.archive import ConversationReader, Conversations
from mnemostream.services.health.http.routes.dashboard import Dashboard
from mnemostream.services.health.http.routes.dead_letters import DeadLetterRoutes
from mnemostream.services.health.http.routes.provided import content_page, page, records_page
from mnemostream.services.health.http.routes.search import SearchRoutes
from mnemostream.services.health.http.routes.status import Status
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.notify.webhooks import Sender
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests
from mnemostream.services.health.observe.store import Store
from mnemostream.services.health.settings import Settings

PROVIDED = (page, content_page, records_page, *search.PROVIDED)


class Stores(NamedTuple):
    """The database, for whole conversations and for search."""

    pages: Store
    find: Finding


def build(
    settings: Settings, cache: SnapshotCache, requests: DeadLetterRequests, stores: Stores, senders: Sequence[Sender]
) -> Litestar:
    """The application."""
    shared = {
        "cache": cache,
        "requests": requests,
        "access": Access(settings),
        "reader": ConversationReader(stores.pages),
        "find": stores.find,
        "senders": senders,
    }
    return Litestar(
        [Status, Conversations, SearchRoutes, DeadLetterRoutes, Dashboard],
        dependencies={each.__name__: Provide(each, sync_to_thread=False) for each in PROVIDED}
        | {name: _provided(value) for name, value in shared.items()},
        middleware=guards(settings),
        response_headers=[ResponseHeader(name=name, value=value) for name, value in problems.SECURITY.items()],
        plugins=[problems.plugin()],
        openapi_config=openapi.config(),
        logging_config=None,
    )


def _provided(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
