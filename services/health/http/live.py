"""The dashboard's event: everything it draws that is no content, in one message. Pure."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from services.health.http import responses
from services.health.judge.snapshot import Snapshot

CHANGES = 30


def body(snapshot: Snapshot, asked: Set[int] = frozenset()) -> bytes:
    """JSON: `health`, `ledger`, `stats`, `changes`, `deadletters`, `counted` (changes when there is more to show)."""
    stats = responses.stats(snapshot)
    told: dict[str, Any] = {
        "health": responses.health(snapshot),
        "ledger": responses.ledger(snapshot),
        "stats": {name: getattr(stats, name) for name in ("conversations", "texts", "chunks", "transcripts")},
        "changes": [responses.change_of(change) for change in list(reversed(snapshot.changes))[:CHANGES]],
        "deadletters": snapshot.bus.messages("DEADLETTERS"),
        "retries": [[one.sequence, responses.outcome(one, asked)] for one in snapshot.letters],
        "counted": stats.counted_at,
    }
    return msgspec.json.encode(told)
