"""What the rules look at: beats folded per instance, samples of lag, the state of bus and database. Pure."""

from __future__ import annotations

import msgspec

from contracts.events import Heartbeat, Phase, Stage

SETTLED_SECONDS = 60.0
"""A process that has run so long without a failure is no crash loop."""
KEEP_SECONDS = 15 * 60.0
"""A vanished instance is remembered so long."""
SAMPLES_SECONDS = 120.0


class Instance(msgspec.Struct, frozen=True):
    """One instance: its last beat and its failures since the last success, over restarts."""

    beat: Heartbeat
    carried: int = 0

    @property
    def failures(self) -> int:
        return self.carried + self.beat.consecutive_failures

    def age(self, now: float) -> float:
        """Seconds since its last beat was sent."""
        return max(0.0, now - self.beat.sent_at)


def fold(before: Instance | None, beat: Heartbeat) -> Instance:
    """The instance after one more beat. A new boot without a success in between adds one failure,
    unless the old one had said goodbye: so a crash loop cannot reset the count."""
    if before is None:
        return Instance(beat)
    if beat.sent_at < before.beat.sent_at:  # history, read after a live beat had come
        return before
    if beat.boot_id == before.beat.boot_id:
        if beat.sequence <= before.beat.sequence:
            return before
        carried = before.carried
    elif before.beat.phase is Phase.STOPPED:
        carried = before.failures
    else:
        carried = before.failures + 1
    settled = beat.consecutive_failures == 0 and (beat.processed > 0 or beat.uptime_seconds >= SETTLED_SECONDS)
    return Instance(beat, 0 if settled else carried)


class Lag(msgspec.Struct, frozen=True):
    """Work that waits: `pending` not delivered, `ack_pending` in hand; messages, or bytes for the watcher."""

    pending: int = 0
    ack_pending: int = 0

    @property
    def total(self) -> int:
        return self.pending + self.ack_pending


class Sample(msgspec.Struct, frozen=True):
    """One look: when, the lag, and work done by all instances so far."""

    at: float
    lag: Lag
    processed: int


class StageWindow(msgspec.Struct, frozen=True):
    """Everything the rules may know about one stage."""

    stage: Stage
    instances: dict[str, Instance]
    samples: list[Sample]
    started: float
    """Unix time at which the health service began to listen."""
    grace: float
    bus_error: str = ""
    database_error: str = ""
    wiring_error: str = ""
    dead_letters: int = 0
    dead_letters_recent: int = 0

    @property
    def alive(self) -> dict[str, Instance]:
        """Instances that did not say goodbye."""
        return {name: one for name, one in self.instances.items() if one.beat.phase is not Phase.STOPPED}

    @property
    def lag(self) -> Lag:
        return self.samples[-1].lag if self.samples else Lag()

    @property
    def failures(self) -> int:
        """Of the worst instance."""
        return max((one.failures for one in self.alive.values()), default=0)

    def age(self, now: float) -> float | None:
        """Seconds since the last beat of the instance that is silent longest; None without instances."""
        return max((one.age(now) for one in self.alive.values()), default=None)

    def last_progress(self) -> float:
        """Unix time at which work last finished; 0 = never."""
        return max((one.beat.last_progress_at for one in self.instances.values()), default=0.0)


def rate(samples: list[Sample]) -> float:
    """Decrease of the lag per second over the samples; negative while it grows."""
    if len(samples) < 2 or samples[-1].at <= samples[0].at:
        return 0.0
    return (samples[0].lag.total - samples[-1].lag.total) / (samples[-1].at - samples[0].at)
