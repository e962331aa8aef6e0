"""What the rules look at: folded heartbeats, samples of lag, the state of bus and database. Pure.

All times are those of the observed clock (`clock.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mnemostream.contracts.events import Phase, Stage
from mnemostream.services.health.judge.beats import Instance

SAMPLES_SECONDS = 120.0
BUSY_SECONDS = 10.0


class Lag(msgspec.Struct, frozen=True):
    """Work that waits: `pending` not delivered, `ack_pending` in hand; messages, or bytes for the watcher."""

    pending: int = 0
    ack_pending: int = 0
    known: bool = True
    """False while no living watcher has told its backlog."""

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


class StorageState(msgspec.Struct, frozen=True):
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


class CanaryState(msgspec.Struct, frozen=True):
    """What became of the synthetic lines. Times by the observed clock; 0 = never."""

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

    def later(self, seconds: float) -> CanaryState:
        """For so long its line could not arrive."""
        return msgspec.structs.replace(
            self,
            last_sent_at=self.last_sent_at + seconds if self.last_sent_at else 0.0,
            waiting_since=self.waiting_since + seconds if self.waiting_since else 0.0,
        )


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
    topology_error: str = ""
    evicted: str = ""
    recreated: str = ""
    minute_minima: Sequence[int] = ()
    """The least lag of each of the last minutes, the newest last."""
    goodbye_at: float = 0.0
    """When the last instance said goodbye, as an earlier process of this service has heard it; 0 = not known."""
    oldest_at: float = 0.0
    """When the oldest waiting work came; 0 = nothing waits, or not known."""
    unwanted: bool = False
    """True if none should run, by setting."""
    desired: int = 0
    """Instances that should run, by setting; 0 = as many as were observed."""
    dead_letters: int = 0
    dead_letters_recent: int = 0
    ack_limit: int = 0
    """`max_ack_pending` of the stage's consumers together; 0 = no such limit."""
    importing: bool = False
    """The watcher has a backlog: that others lag behind is the plan."""
    storage: StorageState = StorageState()
    desired_for_eta: int | None = None
    """Instances that would clear what waits in the time that people want; None = not known, or not asked."""
    resumed_at: float = float("-inf")
    """When the health service itself last went on after a pause."""
    rows_missing: int = 0
    """Bytes that the log holds and the database does not, though nothing waits; and for how long."""
    rows_missing_seconds: float = 0.0

    @property
    def alive(self) -> dict[str, Instance]:
        """Instances that did not say goodbye."""
        return {name: instance for name, instance in self.instances.items() if instance.beat.phase is not Phase.STOPPED}

    @property
    def own(self) -> dict[str, Instance]:
        """Those beside the server. Edges are machines of people, which sleep and travel: their silence is no outage,
        and their heartbeats do not stand for a watcher here."""
        return {name: instance for name, instance in self.alive.items() if not instance.watcher.edge}

    @property
    def remote(self) -> bool:
        """Only edges watch."""
        return bool(self.alive) and not self.own

    @property
    def lag(self) -> Lag:
        return self.samples[-1].lag if self.samples else Lag()

    @property
    def failures(self) -> int:
        """Of the worst instance; what an edge says of itself is no outage here."""
        return max((instance.failures for instance in self.own.values()), default=0)

    def age(self, now: float) -> float | None:
        """Seconds since the last beat of the instance that was heard last; None without instances."""
        return min((instance.age(now) for instance in (self.own or self.alive).values()), default=None)

    @property
    def busy(self) -> bool:
        """Work waits. What a silent watcher has not read nobody else can count: it is busy if it captured up to its
        last beat, as it does while a session is being written."""
        if self.lag.total or self.stage is not Stage.WATCHER:
            return bool(self.lag.total)
        beats = [instance.beat for instance in self.alive.values()]
        return any(0 <= beat.sent_at - beat.last_progress_at < BUSY_SECONDS for beat in beats)

    def goodbye(self) -> float:
        """When the last goodbye came; 0 = nobody said one."""
        said = [instance.at for instance in self.instances.values() if instance.beat.phase is Phase.STOPPED]
        return max(said, default=self.goodbye_at)

    def last_progress(self) -> float:
        """Unix time at which work last finished, as the instances tell it by their own clocks; 0 = never."""
        return max((instance.beat.last_progress_at for instance in self.instances.values()), default=0.0)

    def idle(self, now: float) -> float | None:
        """Seconds since work last finished; None if it never did."""
        known = [instance.idle + instance.age(now) for instance in self.instances.values() if instance.idle is not None]
        return min(known, default=None)

    def recent(self, now: float, seconds: float) -> list[Sample]:
        """Samples of the last `seconds` and the one before them; [] if they do not reach back so far."""
        samples: list[Sample] = []
        for sample in reversed(self.samples):
            samples.append(sample)
            if now - sample.at >= seconds:
                return samples[::-1]
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
