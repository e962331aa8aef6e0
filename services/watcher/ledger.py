"""What is on disk, what of it is captured, what the log holds: the watcher's part of the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mnemostream.contracts.sources import CANARY
from mnemostream.contracts.vitals import SourceVitals

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
    sources: dict[str, Counter[str]] = {}
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
        account = sources.setdefault(file.source or "unknown", Counter())
        _add(account, file)
        if unreadable and file.full in unreadable:
            total["unreadable_bytes"] += file.size - captured_of(file)
        elif file.captured < file.size:
            total["files_behind"] += 1
    for source, size in published.items():
        if source != CANARY:
            sources.setdefault(source, Counter())["published_bytes"] += size
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


def captured_of(file: TrackedFile) -> int:
    """Bytes of a file that were read; a file that shrank has no more than its size."""
    return min(file.captured, file.size)


def _add(account: Counter[str], file: TrackedFile) -> None:
    captured = captured_of(file)
    account["files"] += 1
    account["discovered_bytes"] += file.size
    account["captured_bytes"] += captured
    if file.stored_generation == file.generation:
        account["present_published_bytes"] += min(file.stored_end, captured)


def uncaptured(
    known: Iterable[TrackedFile], sweep: int, unreadable: Mapping[str, str], left: Mapping[str, int]
) -> dict[str, int]:
    """Files and links that are there and not captured, by reason. `left` are those that were not looked into."""
    counts = Counter(left)
    for file in known:
        if file.source != CANARY and file.sweep >= sweep and (reason := reason_of(file, unreadable)):
            counts[reason] += 1
    return dict(counts.most_common(MOST_NAMES))


def reason_of(file: TrackedFile, unreadable: Mapping[str, str]) -> str:
    """Why a tracked file is not captured; "" if it is."""
    return file.ignored or ("unreadable" if unreadable and file.full in unreadable else "")


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
