"""What the capture tells in its heartbeats besides files and bytes. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mnemostream.contracts import codec
from mnemostream.contracts.sources import CANARY, Root
from mnemostream.services.watcher.ledger import MOST_NAMES, figures, uncaptured

if TYPE_CHECKING:  # types only: this module does no I/O
    from mnemostream.services.watcher.capture import Capture

MOST_TABLES = 20
EXAMPLES = 3
"""Files and folders that are named among those that cannot be read."""


def figures_of(capture: Capture) -> dict[str, Any]:
    """Fields of `WatcherVitals` about files: counting 25,000 of them costs more than seeing them."""
    told = figures(
        capture.registry,
        capture.sweeps,
        capture.unreadable,
        capture.published,
        waiting=capture.outbox.waiting_bytes,
    )
    if capture.sweeps:  # every file that is there was seen: the others were deleted while nobody looked
        told["absent_files"] += capture.positions.left_below(_roots(capture), capture.registry.host)
    left = uncaptured(capture.registry, capture.sweeps, capture.unreadable, capture.left)
    missing = dict(Counter(left.counts).most_common(MOST_NAMES))
    unreadable_ = missing.get("unreadable", 0)  # counted among the files, and among what is missing
    there = told["files"] + sum(missing.values()) - unreadable_
    left_out = sum((Counter(tables) for tables in capture.left_out.values()), Counter[str]())
    return {
        **told,
        "there_files": there,
        "uncaptured": missing,
        "uncaptured_names": left.examples(),
        "left_out_rows": left_out.total(),
        "left_out_tables": dict(left_out.most_common(MOST_TABLES)),
    }


def _roots(capture: Capture) -> list[Root]:
    """The watched folders of people."""
    return [root for root in capture.registry.roots if root.source != CANARY]


def counters(capture: Capture) -> dict[str, Any]:
    """Fields of `WatcherVitals`."""
    files = [f"{codec.printable(name.rpartition('/')[2])}: {why}" for name, why in capture.unreadable.items()]
    # A default folder may be empty: an assistant has moved its files elsewhere. All of them together were not named.
    named = bool(capture.settings.roots)
    spared = capture.defaults if capture.defaults <= {root.folder for root in _roots(capture)} else frozenset()
    missing = [one for one in capture.missing if (named and one.folder not in spared) or (one.held and not one.empty)]
    return {
        "missing_folders": len(missing),
        "missing_transcripts": sum(one.held for one in missing if not one.empty),
        "missing": "; ".join(map(str, missing[:EXAMPLES])),
        "sweeps": capture.sweeps,
        "segments": capture.outbox.sent,
        "sweep_period_seconds": capture.sweep_period,
        "unannounced": capture.unannounced,
        "unlistable_folders": len(capture.unlistable),
        "unreadable": "; ".join([*files[:EXAMPLES], *capture.unlistable][:EXAMPLES]),
        "rewritten": capture.rewritten,
        "damaged_lines": capture.lines.total["damaged"],
        "unknown_lines": capture.lines.total["unknown"],
        "lines": dict(capture.lines.by_name),
    }
