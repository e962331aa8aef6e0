"""Heartbeats folded per instance: the last one, and what is known over restarts. Pure.

All times are those of the observed clock (`clock.py`): a beat counts from the moment it was received (for beats read
from the stream, from when the server stored them), so that the clocks of other machines do not matter.
"""

from __future__ import annotations

import msgspec

from mnemostream.contracts.events import Heartbeat, Phase
from mnemostream.contracts.vitals import WatcherVitals, WriterVitals

SETTLED_SECONDS = 60.0
"""A process that has run so long without a failure is in no restart loop."""
CRASHES_SECONDS = 300.0
"""Crashes are remembered so long."""
BEATS_APART = 2
"""A silence between two beats counts for no more intervals than this as time without a look for work."""


class Instance(msgspec.Struct, frozen=True):
    """One instance: its last beat, and what is known over its restarts."""

    beat: Heartbeat
    at: float
    """When the beat was received."""
    first_at: float
    """When it began, or its first beat was received: the earlier one."""
    carried: int = 0
    """Failures of earlier boots since the last success."""
    crashes: tuple[float, ...] = ()
    """When it began anew without a goodbye."""
    unpolled: float = 0.0
    """Seconds, up to its last beat, in which it ran, had nothing in hand, and proved no contact with its work."""
    forgiven: int = 0
    """Failures of this boot that are history: what failed was given up, and the dead letters are dealt with."""
    clock_off: float = 0.0
    """Seconds by which its clock is ahead of ours, as far as the last live beat tells."""
    refused_at: float = float("-inf")
    """When it last told of a pull request that the server refused."""
    redelivered_at: float = float("-inf")
    """When it last told of messages that came again though nothing had failed, begun anew or ended."""

    @property
    def watcher(self) -> WatcherVitals:
        """What a watcher tells of its files; nothing is known of other stages, or before the first report."""
        return self.beat.vitals if isinstance(self.beat.vitals, WatcherVitals) else WatcherVitals()

    @property
    def writer(self) -> WriterVitals:
        """The same of a writer's index."""
        return self.beat.vitals if isinstance(self.beat.vitals, WriterVitals) else WriterVitals()

    @property
    def idle(self) -> float | None:
        """Seconds since it last finished work, up to its last beat, by its own clock; None if it never did."""
        if not self.beat.last_progress_at:
            return None
        return max(0.0, self.beat.sent_at - self.beat.last_progress_at)

    @property
    def failures(self) -> int:
        """Since the last success, over restarts."""
        return self.carried + self.beat.consecutive_failures - self.forgiven

    def age(self, now: float) -> float:
        """Seconds since its last beat came."""
        return max(0.0, now - self.at)

    def crashed_within(self, now: float, seconds: float) -> int:
        """How often it crashed in the last `seconds`."""
        return sum(now - at <= seconds for at in self.crashes)


def fold(before: Instance | None, beat: Heartbeat, at: float) -> Instance:
    """The instance after one more beat, received at `at`. A new boot without a success in between adds one failure,
    unless the old one had said goodbye: so a crash loop cannot reset the count."""
    if before is None:
        # An uptime tells when it began, also to a health service that has only just started to listen.
        began = at - max(0.0, min(beat.uptime_seconds, 1e9))
        return Instance(beat, at, began, clock_off=beat.sent_at - at)
    crashes = tuple(crash for crash in before.crashes if at - crash <= CRASHES_SECONDS)
    if beat.boot_id == before.beat.boot_id:
        if beat.sequence <= before.beat.sequence:
            return before  # it was read from the stream and heard live: it counts once
        carried = before.carried
    elif before.beat.phase is Phase.STOPPED:
        carried = before.failures  # a restart on request is no failure, and no success either
    else:
        carried = before.failures + 1
        crashes = (*crashes, at)
    # An idle process has no success to show: a minute of life with nothing in hand stands for one.
    rested = beat.uptime_seconds >= SETTLED_SECONDS and not beat.in_flight
    settled = beat.consecutive_failures == 0 and (beat.processed > 0 or rested)
    # What was forgiven stays so only as long as nothing else has happened to it.
    unbroken = beat.boot_id == before.beat.boot_id and beat.processed == before.beat.processed
    forgiven = before.forgiven if unbroken else 0
    return Instance(
        beat=beat,
        at=at,
        first_at=before.first_at,
        carried=0 if settled else carried,
        crashes=crashes,
        unpolled=_unpolled(before, beat, at),
        forgiven=forgiven if beat.consecutive_failures >= forgiven else 0,
        clock_off=beat.sent_at - at,
        refused_at=at if _more(before, beat, before.beat.pulls_refused, beat.pulls_refused) else before.refused_at,
        redelivered_at=at if _again(before, beat) else before.redelivered_at,
    )


def _failed(before: Instance, beat: Heartbeat) -> bool:
    """True if something failed since the beat before."""
    return beat.failed > (before.beat.failed if before.beat.boot_id == beat.boot_id else 0)


def _more(before: Instance, beat: Heartbeat, earlier: int | None, now: int | None) -> bool:
    """Whether a counter has grown; what a new boot tells in its first beat counts too, what is unknown does not."""
    same = before.beat.boot_id == beat.boot_id
    return (now or 0) > ((earlier or 0) if same else 0)


def _again(before: Instance, beat: Heartbeat) -> bool:
    """Messages came again though nothing had failed."""
    return _more(before, beat, before.beat.redelivered, beat.redelivered) and not _failed(before, beat)


def _unpolled(before: Instance, beat: Heartbeat, at: float) -> float:
    """By whether the stamp changes, not by what it says: clocks of other machines do not matter."""
    same = beat.boot_id == before.beat.boot_id and beat.last_poll == before.beat.last_poll
    if not same or beat.polls is None or beat.phase is not Phase.RUNNING:
        return 0.0
    return before.unpolled + max(0.0, min(at - before.at, BEATS_APART * beat.interval_seconds))
