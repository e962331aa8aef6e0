"""What the rules look at: beats folded per instance, samples of lag, the state of bus and database. Pure.

All times are those of the health service's own clock: a beat counts from the moment it was received (for beats
read from the stream, from when the server stored them), so that the clocks of other machines do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.events import POLLS, PULLS_REFUSED, REDELIVERED, Heartbeat, Phase, Stage

SETTLED_SECONDS = 60.0
"""A process that has run so long without a failure is no crash loop."""
CRASHES_SECONDS = 300.0
"""Crashes are remembered so long."""
SAMPLES_SECONDS = 120.0
BEATS_APART = 2
"""A silence between two beats counts for no more intervals than this as time without a look for work."""
BUSY_SECONDS = 10.0


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
        began = at - max(0.0, min(beat.uptime_seconds, 1e9))
        return Instance(beat, at, began, clock_off=beat.sent_at - at)
    crashes = tuple(crash for crash in before.crashes if at - crash <= CRASHES_SECONDS)
    if beat.boot_id == before.beat.boot_id:
        if beat.sequence <= before.beat.sequence:
            return before
        carried = before.carried
    elif before.beat.phase is Phase.STOPPED:
        carried = before.failures
    else:
        carried = before.failures + 1
        crashes = (*crashes, at)
    rested = beat.uptime_seconds >= SETTLED_SECONDS and not beat.in_flight
    settled = beat.consecutive_failures == 0 and (beat.processed > 0 or rested)
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
        refused_at=at if _grew(before, beat, PULLS_REFUSED) else before.refused_at,
        redelivered_at=at if _grew(before, beat, REDELIVERED) and not _failed(before, beat) else before.redelivered_at,
    )


def _failed(before: Instance, beat: Heartbeat) -> bool:
    """True if something failed since the beat before."""
    return beat.failed > (before.beat.failed if before.beat.boot_id == beat.boot_id else 0)


def _grew(before: Instance, beat: Heartbeat, gauge: str) -> bool:
    """What a new boot tells in its first beat counts too."""
    same = before.beat.boot_id == beat.boot_id
    return beat.gauges.get(gauge, 0.0) > (before.beat.gauges.get(gauge, 0.0) if same else 0.0)


def _unpolled(before: Instance, beat: Heartbeat, at: float) -> float:
    """By whether the stamp changes, not by what it says: clocks of other machines do not matter."""
    same = beat.boot_id == before.beat.boot_id and beat.last_poll == before.beat.last_poll
    if not same or POLLS not in beat.gauges or beat.phase is not Phase.RUNNING:
        return 0.0
    return before.unpolled + max(0.0, min(at - before.at, BEATS_APART * beat.interval_seconds))


class Lag(msgspec.Struct, frozen=True):
    """Work that waits: `pending` not delivered, `ack_pending` in hand; messages, or bytes for the watcher."""

    pending: int = 0
    ack_pending: int = 0

    @property
    def total(self) -> int:
        return self.pending + self.ack_pending


class StreamState(msgspec.Struct, frozen=True):
    """One stream: messages and bytes it holds, its bound, its first and last sequence."""

    messages: int = 0
    bytes: int = 0
    max_bytes: int = -1
    first: int = 0
    last: int = 0


class ConsumerState(msgspec.Struct, frozen=True):
    """One consumer: what waits, what is in hand, up to where all is processed."""

    lag: Lag = Lag()
    redelivered: int = 0
    ack_floor: int = 0
    created: str = ""


class BusState(msgspec.Struct, frozen=True):
    """What JetStream says. Streams by name, consumers by `STREAM.consumer`; what is wrong with either, in words."""

    error: str = ""
    streams: dict[str, StreamState] = {}
    consumers: dict[str, ConsumerState] = {}
    wrong: dict[str, str] = {}
    tombstones: int = 0
    """Transcripts that people had removed from the log."""
    clock_ahead: float = 0.0
    """Seconds by which the server's clock is ahead of ours."""

    def messages(self, stream: str) -> int:
        """Messages in a stream; 0 if it is not known."""
        return self.streams[stream].messages if stream in self.streams else 0


class Sample(msgspec.Struct, frozen=True):
    """One look: when, the lag, and work done by all instances so far."""

    at: float
    lag: Lag
    processed: int
    """Finished pieces, over restarts."""
    progress: float = 0.0
    """Grows whenever an instance has finished a part of a piece; only whether it changes has a meaning."""
    saturated: bool = False
    """All that one of the consumers may have in hand is in hand."""


class Storage(msgspec.Struct, frozen=True):
    """Where a stage writes to: the bound of its stream, the disk below it. 0 = not known."""

    stream: str = ""
    stream_bytes: int = 0
    stream_max_bytes: int = 0
    disk: str = ""
    disk_free_bytes: int = 0
    disk_known: bool = False

    @property
    def fullness(self) -> float:
        """Part of the stream's `max_bytes` that is used, 0 to 1."""
        return self.stream_bytes / self.stream_max_bytes if self.stream_max_bytes > 0 else 0.0


class Canary(msgspec.Struct, frozen=True):
    """What became of the synthetic lines. Times in Unix seconds; 0 = never."""

    period: float = 0.0
    """Seconds between two lines; 0 = the canary is off."""
    sent: int = 0
    arrived: int = 0
    lost: int = 0
    last_sent_at: float = 0.0
    last_arrived_at: float = 0.0
    last_seconds: float = 0.0
    """From the line on disk to a row with a vector."""
    waiting_since: float = 0.0
    error: str = ""


class StageWindow(msgspec.Struct, frozen=True):
    """Everything the rules may know about one stage."""

    stage: Stage
    instances: dict[str, Instance]
    samples: Sequence[Sample]
    started: float
    """When the health service began to listen."""
    grace: float
    bus_error: str = ""
    database_error: str = ""
    wiring_error: str = ""
    evicted: str = ""
    recreated: str = ""
    floors: Sequence[int] = ()
    """The least lag of each of the last minutes, the newest last."""
    goodbye_at: float = 0.0
    """When the last instance said goodbye, as an earlier process of this service has heard it; 0 = not known."""
    oldest_at: float = 0.0
    """When the oldest waiting work came; 0 = nothing waits, or not known."""
    desired: int = 0
    """Instances that should run, by setting; 0 = as many as were observed."""
    dead_letters: int = 0
    dead_letters_recent: int = 0
    ack_limit: int = 0
    """`max_ack_pending` of the stage's consumers together; 0 = no such limit."""
    importing: bool = False
    """The watcher has a backlog: that others lag behind is the plan."""
    storage: Storage = Storage()

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
        """Seconds since the last beat of the instance that was heard last; None without instances."""
        return min((one.age(now) for one in self.alive.values()), default=None)

    @property
    def busy(self) -> bool:
        """Work waits. What a silent watcher has not read nobody else can count: it is busy if it captured up to its
        last beat, as it does while a session is being written."""
        if self.lag.total or self.stage is not Stage.WATCHER:
            return bool(self.lag.total)
        beats = [one.beat for one in self.alive.values()]
        return any(0 <= beat.sent_at - beat.last_progress_at < BUSY_SECONDS for beat in beats)

    def goodbye(self) -> float:
        """When the last goodbye came; 0 = nobody said one."""
        said = [one.at for one in self.instances.values() if one.beat.phase is Phase.STOPPED]
        return max(said, default=self.goodbye_at)

    def last_progress(self) -> float:
        """Unix time at which work last finished, as the instances tell it; 0 = never."""
        return max((one.beat.last_progress_at for one in self.instances.values()), default=0.0)

    def recent(self, now: float, seconds: float) -> list[Sample]:
        """Samples of the last `seconds` and the one before them; [] if they do not reach back so far."""
        found: list[Sample] = []
        for sample in reversed(self.samples):
            found.append(sample)
            if now - sample.at >= seconds:
                return found[::-1]
        return []

    def lag_age(self, now: float) -> float:
        """Seconds that the oldest waiting work has waited."""
        if not self.lag.total:
            return 0.0
        if self.oldest_at:
            return max(0.0, now - self.oldest_at)
        since = self.samples[-1].at
        for sample in reversed(self.samples):
            if not sample.lag.total:
                break
            since = sample.at
        return max(0.0, now - since)


def rate(samples: Sequence[Sample]) -> float:
    """Decrease of the lag per second over the samples; negative while it grows."""
    if len(samples) < 2 or samples[-1].at <= samples[0].at:
        return 0.0
    return (samples[0].lag.total - samples[-1].lag.total) / (samples[-1].at - samples[0].at)


def throughput(samples: Sequence[Sample]) -> float:
    """Finished pieces per second over the samples."""
    if len(samples) < 2 or samples[-1].at <= samples[0].at:
        return 0.0
    return max(0, samples[-1].processed - samples[0].processed) / (samples[-1].at - samples[0].at)
