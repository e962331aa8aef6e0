"""What the samples of a stage say of its lag: where it goes, how long it takes, since when nothing moves. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mnemostream.contracts.events import Stage
from mnemostream.services.health.judge.window import Sample, StageWindow, rate, throughput

BEHIND_SECONDS = 60.0
RECENT_SECONDS = 30.0
"""Where the lag goes is told by its last samples: the start of an import is no growth a minute later."""
MINUTES = 10
"""Minutes over which the lag must have become less, if its oldest work is old."""


def eta(w: StageWindow) -> float | None:
    """Seconds until the lag is gone; None when it does not shrink.

    By the decrease of the lag; during an import, when work still comes in, by what is finished.
    """
    if not w.lag.total:
        return None
    speed = rate(_since_peak(w.samples))
    if speed <= 0 and w.importing and w.stage is not Stage.WATCHER:
        speed = throughput(w.samples)
    return w.lag.total / speed if speed > 0 else None


def trend(w: StageWindow) -> str:
    """`growing`, `draining` or `steady`."""
    recent = [sample for sample in w.samples if sample.at >= w.samples[-1].at - RECENT_SECONDS]
    speed = rate(recent)
    if not speed and any(sample.progress != recent[-1].progress for sample in recent):
        speed = rate(_since_peak(w.samples))  # in the middle of a large piece
    return "draining" if speed > 0 else "growing" if speed < 0 else "steady"


def _since_peak(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples from the greatest lag on, if that has been falling for a while; else all of them."""
    peak = max(range(len(samples)), key=lambda n: (samples[n].lag.total, n), default=0)
    fell = samples[peak:]
    return fell if fell and fell[-1].at - fell[0].at >= RECENT_SECONDS / 3 else samples


def stalled_seconds(w: StageWindow, now: float) -> float:
    """For how long work has waited at every sample while nothing was finished; what `WorkStalled` looks at."""
    if not w.samples or not w.samples[-1].lag.total:
        return 0.0
    last = w.samples[-1]
    since = last.at
    for sample in reversed(w.samples):
        if not sample.lag.total or sample.processed != last.processed or sample.progress != last.progress:
            break
        since = sample.at
    return max(0.0, now - since)


def growing(w: StageWindow, now: float) -> bool:
    """Work waited at every sample of a minute, and more of it at each third; what `BacklogGrowing` looks at."""
    recent = w.recent(now, BEHIND_SECONDS)
    if not recent or not all(sample.lag.total for sample in recent):
        return False
    third = max(1, len(recent) // 3)
    marks = [recent[0], recent[third], recent[-third], recent[-1]]
    return all(a.lag.total < b.lag.total for a, b in itertools.pairwise(marks))


def not_less(w: StageWindow) -> bool:
    """Ten minutes ago no more waited than now, each time at the least of a minute: a batch is no decrease. Two minutes
    of decrease are one: it is catching up."""
    if len(w.minute_minima) < MINUTES or not 0 < w.minute_minima[0] <= w.minute_minima[-1]:
        return False
    return not w.minute_minima[-1] < w.minute_minima[-2] < w.minute_minima[-3]


def saturated_seconds(w: StageWindow, now: float) -> float:
    """For how long all that may be in hand was in hand at every sample; what `Saturated` looks at."""
    since = now
    for sample in reversed(w.samples):
        if not sample.saturated:
            break
        since = sample.at
    return max(0.0, now - since)
