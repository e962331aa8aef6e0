"""What the dashboard is told whenever it is new. Pure."""

from __future__ import annotations

from collections.abc import Set

from mnemostream.contracts import topology
from mnemostream.contracts.http.health import Live
from mnemostream.services.health.http.bodies import status as bodies
from mnemostream.services.health.http.bodies.archive import outcome
from mnemostream.services.health.judge.snapshot import Snapshot

CHANGES = 30


def body(snapshot: Snapshot, pending: Set[int] = frozenset()) -> Live:
    """`pending` are dead letters with a retry or drop under way."""
    stats = bodies.stats(snapshot)
    return Live(
        health=bodies.health(snapshot),
        ledger=bodies.ledger(snapshot),
        stats={name: getattr(stats, name) for name in ("conversations", "texts", "chunks", "transcripts")},
        changes=[bodies.change_of(change) for change in list(reversed(snapshot.changes))[:CHANGES]],
        deadletters=snapshot.bus.messages(topology.DEADLETTERS.name),
        retries=[(letter.sequence, outcome(letter, pending)) for letter in snapshot.dead_letters],
        counted=stats.counted_at,
    )
