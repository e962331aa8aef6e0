"""What is on disk, what of it is captured, what the log holds: the watcher's part of the ledger. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mnemostream.contracts.sources import CANARY
from mnemostream.contracts.vitals import SourceVitals
from mnemostream.runtime.disk.left import Left

if TYPE_CHECKING:  # types only: this module does no I/O
    from mnemostream.services.watcher.files.tracked import TrackedFile

MOST_NAMES = 60
PER_SOURCE = SourceVitals.__struct_fields__


def figures(
    known: Iterable[TrackedFile],
    sweep: int,
    unreadable: Mapping[str, str],
    published: Mapping[str, int],
    *,
    waiting: int,
) -> dict[str, Any]:
    """Fields of `WatcherVitals` about files and bytes, in total and by source.

    A file counts while the last sweep saw it. `published` are the bytes that the log has acknowledged, by source, also
    of files that are gone; `waiting` those of which it has not.
    """
    total: Counter[str] = Counter()
    sources: dict[str, Counter[str]] = defaultdict(Counter)
    for file in known:
        if file.source == CANARY:
            continue
        if file.ignored:
            total[f"{'forgotten' if file.is_forgotten else 'ignored'}_files"] += 1
            continue
        if file.sweep < sweep:
            total["absent_files"] += 1
            total["absent_backlog_bytes"] += max(0, file.size - file.captured)
            continue
        captured = _add(sources[file.source or "unknown"], file)
        if unreadable and file.full in unreadable:
            total["unreadable_bytes"] += file.size - captured
        elif captured < file.size:
            total["files_behind"] += 1
    for source, size in published.items():
        if source != CANARY:
            sources[source]["published_bytes"] += size
    for name in ("files", "discovered_bytes", "captured_bytes", "published_bytes"):
        total[name] = sum(account[name] for account in sources.values())
    return {
        **{name: total[name] for name in TOTALS},
        "backlog_bytes": total["discovered_bytes"] - total["captured_bytes"] + waiting,
        "unreadable_files": len(unreadable),
        "sources": {
            name: SourceVitals(**{field: account[field] for field in PER_SOURCE}) for name, account in sources.items()
        },
    }


TOTALS = (
    "files",
    "files_behind",
    "discovered_bytes",
    "captured_bytes",
    "published_bytes",
    "unreadable_bytes",
    "ignored_files",
    "forgotten_files",
    "absent_files",
    "absent_backlog_bytes",
)


def _add(account: Counter[str], file: TrackedFile) -> int:
    """Bytes of a file that were read; a file that shrank has no more than its size."""
    generation, end = file.reached
    captured = min(end, file.size)
    account["files"] += 1
    account["discovered_bytes"] += file.size
    account["captured_bytes"] += captured
    if file.stored_generation == generation:
        account["present_published_bytes"] += min(file.stored_end, captured)
    return captured


def uncaptured(known: Iterable[TrackedFile], sweep: int, unreadable: Mapping[str, str], left: Left) -> Left:
    """Files and links that are there and not captured, by reason. `left` are those that were not looked into."""
    all_of_them = Left()
    all_of_them.merge(left)
    for file in known:
        reason = file.ignored or ("unreadable" if unreadable and file.full in unreadable else "")
        if reason and file.sweep >= sweep and file.source != CANARY:
            all_of_them.add(reason, file.path)
    return all_of_them


class LineCounts:
    """Damaged and unknown lines since the start."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        """Of `damaged` and of `unknown`."""
        self.by_name: Counter[str] = Counter()
        """`damaged:<how>`, `unknown:<type>`; names beyond MOST_NAMES are in the totals only."""

    def tally(self, counts: Mapping[str, int]) -> None:
        """Adds the counts of one segment."""
        for name, count in counts.items():
            kind = name.partition(":")[0]
            if kind in ("damaged", "unknown"):
                self.total[kind] += count
                if name in self.by_name or len(self.by_name) < MOST_NAMES:
                    self.by_name[name] += count
