"""What is on disk, what of it is captured, what the log holds: the watcher's part of the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from contracts.sources import CANARY
from services.watcher.known import Known


def figures(
    known: Iterable[Known],
    sweep: int,
    unreadable: Mapping[str, str],
    published: Mapping[str, int],
    ends: Mapping[str, tuple[int, int]],
    *,
    waiting: int,
) -> dict[str, float]:
    """Gauges of a heartbeat; bytes and files, in total and as `<name>.<source>`.

    A file counts while the last sweep saw it. `ends` are generation and end of what the log has acknowledged,
    `published` its bytes by source, also of files that are gone. `waiting` are bytes not acknowledged yet.
    """
    total: Counter[str] = Counter()
    for one in known:
        if one.source == CANARY:
            continue
        if one.ignored:
            total[f"{'forgotten' if one.ignored == 'forgotten' else 'ignored'}_files"] += 1
            continue
        if one.sweep < sweep:
            total["absent_files"] += 1
            total["absent_backlog_bytes"] += max(0, one.size - one.captured)
            continue
        source = one.source or "unknown"
        captured = min(one.captured, one.size)
        total["files"] += 1
        total["discovered_bytes"] += one.size
        total["captured_bytes"] += captured
        total[f"files.{source}"] += 1
        total[f"discovered_bytes.{source}"] += one.size
        total[f"captured_bytes.{source}"] += captured
        generation, end = ends.get(one.transcript, (0, 0))
        if generation == one.generation:
            total[f"present_published_bytes.{source}"] += min(end, captured)
        if one.full in unreadable:
            total["unreadable_bytes"] += one.size - captured
        total["files_behind"] += one.captured < one.size and one.full not in unreadable
    for source, size in published.items():
        if source == CANARY:
            continue
        total[f"published_bytes.{source}"] += size
        total["published_bytes"] += size
    total["backlog_bytes"] = total["discovered_bytes"] - total["captured_bytes"] + waiting
    total["unreadable_files"] = len(unreadable)
    for name in ("files", "files_behind", "discovered_bytes", "captured_bytes"):
        total.setdefault(name, 0)
    return {name: float(value) for name, value in total.items()}
