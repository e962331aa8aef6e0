"""Continuous loss accounting: on disk = captured = published = stored; texts = embedded. Pure.

The left part is the watcher's, of files that are there; `log_bytes` are the newest generations of all transcripts
ever captured, also of files that are gone, and are what the database must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = ("files", "disk_bytes", "captured_bytes", "published_bytes", "log_bytes", "stored_bytes", "texts", "embedded")
GAUGES = {
    "files": "files",
    "discovered_bytes": "disk_bytes",
    "captured_bytes": "captured_bytes",
    "present_published_bytes": "published_bytes",
    "published_bytes": "log_bytes",
}
GAPS = {
    "uncaptured_bytes": ("disk_bytes", "captured_bytes"),
    "unpublished_bytes": ("captured_bytes", "published_bytes"),
    "unstored_bytes": ("log_bytes", "stored_bytes"),
    "unembedded_texts": ("texts", "embedded"),
}


def ledger(gauges: Mapping[str, float], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns and gaps per source and in total; `balanced` if there is no gap anywhere."""
    sources: dict[str, dict[str, int]] = {}
    for name, value in gauges.items():
        gauge, _, source = name.partition(".")
        if source and gauge in GAUGES:
            sources.setdefault(source, dict.fromkeys(COLUMNS, 0))[GAUGES[gauge]] += int(value)
    for row in rows:
        account = sources.setdefault(row["source"], dict.fromkeys(COLUMNS, 0))
        for column in ("stored_bytes", "texts", "embedded"):
            account[column] += int(row[column])
    total = {column: sum(account[column] for account in sources.values()) for column in COLUMNS}
    return {
        "balanced": all(not gap for account in sources.values() for gap in _gaps(account).values()),
        "total": {**total, "gaps": _gaps(total)},
        "sources": {name: {**account, "gaps": _gaps(account)} for name, account in sorted(sources.items())},
        "absent_files": int(gauges.get("absent_files", 0)),
        "absent_backlog_bytes": int(gauges.get("absent_backlog_bytes", 0)),
        "unreadable_files": int(gauges.get("unreadable_files", 0)),
        "ignored_files": int(gauges.get("ignored_files", 0)),
        "forgotten_files": int(gauges.get("forgotten_files", 0)),
    }


def _gaps(account: Mapping[str, int]) -> dict[str, int]:
    """What is missing from each step to the next; the database may run ahead of the last heartbeat."""
    return {name: max(0, account[more] - account[less]) for name, (more, less) in GAPS.items()}
