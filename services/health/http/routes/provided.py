"""What handlers are given, by name (Litestar's dependency injection)."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.di import NamedDependency

from services.health.http.access import Access
from services.health.http.snapshot_cache import SnapshotCache
from services.health.notify.webhooks import Sender
from services.health.observe.dead_letters import DeadLetterRequests

Cache = NamedDependency[SnapshotCache]
May = NamedDependency[Access]
Requests = NamedDependency[DeadLetterRequests]
Senders = NamedDependency[Sequence[Sender]]
