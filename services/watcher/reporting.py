"""What the capture tells in its heartbeats besides files and bytes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import codec

if TYPE_CHECKING:  # types only: this module does no I/O
    from services.watcher.capture import Capture

EXAMPLES = 3
"""Files and folders that are named among those that cannot be read."""


def counters(capture: Capture) -> dict[str, Any]:
    """Fields of `WatcherVitals`."""
    files = [f"{codec.printable(name.rpartition('/')[2])}: {why}" for name, why in capture.unreadable.items()]
    return {
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
