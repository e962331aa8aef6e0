"""What handlers are given, by name (Litestar's dependency injection)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from mnemostream.services.health.http.access import Access
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.notify.webhooks import Sender
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests

Cache = NamedDependency[SnapshotCache]
May = NamedDependency[Access]
Requests = NamedDependency[DeadLetterRequests]
LIMIT, MOST = 20, 100

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Maximum items per page.")]
Offset = Annotated[int, QueryParameter(ge=0, le=100_000, description="Items to skip; `next` of the previous page.")]
RECORDS = 1000
"""Most records of one page of a conversation."""
Records = Annotated[int, QueryParameter(ge=1, le=RECORDS, description="Maximum records per page.")]
Reveal = Annotated[bool, QueryParameter(description="Show secrets in texts instead of masking them.")]


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is asked for."""

    limit: int
    offset: int
    reveal: bool = False


def page(limit: Limit = LIMIT, offset: Offset = 0) -> Page:
    """From the query."""
    return Page(limit, offset)


def content_page(limit: Limit = LIMIT, offset: Offset = 0, reveal: Reveal = False) -> Page:
    """From the query, where the answer shows what people wrote."""
    return Page(limit, offset, reveal)


def records_page(limit: Records = RECORDS, offset: Offset = 0, reveal: Reveal = False) -> Page:
    """From the query: records of one conversation."""
    return Page(limit, offset, reveal)


OnePage = NamedDependency[Page]
Senders = NamedDependency[Sequence[Sender]]
