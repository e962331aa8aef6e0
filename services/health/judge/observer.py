"""Everything that was seen of the system, and what the rules may know of it. Pure but for its state: time and
everything that was seen come in as arguments.

    heartbeats ──▶ instances ─┐
    looks at the bus ─────────┼──▶ window (one per stage) ──▶ rules
    looks at the database ────┘

Wall times come in; inside, all is observed time (`clock.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemostream.contracts import topology
from mnemostream.contracts.events import Heartbeat, Stage
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.topology import Consumer
from mnemostream.services.health.judge.clock import ObservedClock
from mnemostream.services.health.judge.instances import Instances
from mnemostream.services.health.judge.memory import Eviction, HealthState, failures_of
from mnemostream.services.health.judge.samples import MissingRows, Samples
from mnemostream.services.health.judge.snapshot import NOT_ASKED, STAGES, KeptLetter
from mnemostream.services.health.judge.window import BusState, CanaryState, Lag, StageWindow, StorageState

CONSUMERS: dict[Stage, tuple[Consumer, ...]] = {
    stage: tuple(consumer for consumer in topology.CONSUMERS if consumer.stage is stage) for stage in STAGES
}
WRITES = {
    Stage.WATCHER: (topology.TRANSCRIPTS.name, "nats"),
    Stage.EMBEDDER: (topology.EMBEDDINGS.name, "nats"),
    Stage.WRITER: ("", "postgres"),
}
"""The stream that a stage writes to, and the disk below it."""
RECENT_SECONDS = 600.0
"""Dead letters and evictions are a matter of concern for so long."""
RECREATED_SECONDS = 60.0
SETTLING_SECONDS = 20.0
"""After bus or database came back, for so long, what is wrong with those who need it is still a consequence."""
FORGOTTEN_SECONDS = 120.0
"""A person's `mnemo forget` takes messages out of the log up to so long after its tombstone."""
STALE_SECONDS = 20.0
"""A look at the bus or the database that is older than this says nothing."""


class Observer:
    """Fed with what is seen; `window` tells the rules."""

    def __init__(self, started: float, grace: float, desired: Mapping[Stage, int] | None = None) -> None:
        self.clock = ObservedClock(started)
        self.started = started
        self.grace = grace
        self.desired = dict(desired or {})
        self.instances = Instances()
        self.samples = Samples(started)
        self.bus = BusState()
        self.bus_error = NOT_ASKED
        self.store_error = ""
        """What nats-server says is wrong with itself."""
        self.bus_at = self.database_at = started
        self.bus_back_at = self.database_back_at = self.forgotten_at = float("-inf")
        self.database_lost_at = 0.0
        self.database_error = NOT_ASKED
        self.oldest: dict[str, float] = {}
        """Unix time of the oldest waiting message, by consumer."""
        self.evicted: dict[str, tuple[float, str]] = {}
        self.created: dict[str, str] = {}
        """When each consumer was created, also while it is missing."""
        self.recreated: dict[str, tuple[float, str]] = {}
        self.canary = CanaryState()
        self.queued_before_canary = 0
        """Messages that wait longer than the canary's line, as last judged: it waits its turn."""
        self.disks: dict[str, int] = {}
        self.figures: dict[str, Any] = {}
        self.coverage: list[dict[str, Any]] = []
        self.recent: list[dict[str, Any]] = []
        self.ledger: list[dict[str, Any]] = []
        self.rows = MissingRows()
        self.hourly: list[dict[str, Any]] = []
        self.daily: list[dict[str, Any]] = []
        self.dead_letters: dict[int, KeptLetter] = {}

    def beat(self, beat: Heartbeat, at: float, *, live: bool = True) -> None:
        """One heartbeat, in stream order, received at wall time `at`; `live` = just now, not read from the stream."""
        if live:
            self.clock.tick(at)
        if beat.stage is not Stage.HEALTH:
            self.instances.beat(beat, self.clock.observed(at))

    def probed(self, bus: BusState, wall: float) -> None:
        """One look at the bus. While it does not answer, nobody can be heard and time stands still."""
        now = self.clock.tick(wall)
        if self.clock.away and not bus.error:
            self.bus_back_at = now
            self.samples.clear()
        self.clock.away = bool(bus.error)
        self.bus_error, self.bus_at = bus.error, now
        if bus.error:
            return
        before, self.bus = self.bus, bus
        if bus.tombstones > before.tombstones:
            self.forgotten_at = now
        self._compare_consumers(before, bus, now)
        self.samples.take(now, self.bus, self.instances, {stage: self._lag(stage, now) for stage in STAGES})

    def _compare_consumers(self, before: BusState, bus: BusState, now: float) -> None:
        """A consumer that is another one than before starts anew; one whose first messages are gone has lost work."""
        for name, state in bus.consumers.items():
            stream, _, consumer = name.partition(".")
            earlier = before.consumers.get(name)
            created, self.created[name] = self.created.get(name, state.created), state.created
            if created != state.created:
                cause = f"consumer {consumer} of {stream} was recreated and rereads the stream from the start"
                self.recreated[name] = (now, cause)
            if earlier is None or created != state.created:
                continue
            # What lay between the last processed message and the first one that is left was never processed, unless
            # nothing waited (an ack floor stands still while a consumer has nothing to do).
            first = bus.streams[stream].first if stream in bus.streams else 0
            lost = min(first - 1 - earlier.ack_floor, earlier.lag.total)
            if lost > 0 and now - self.forgotten_at > FORGOTTEN_SECONDS:
                self.evicted[name] = (now, f"{counted(lost, 'message')} left {stream} before {consumer} processed them")

    def database(self, error: str, wall: float) -> None:
        """One look at the database."""
        now = self.clock.tick(wall)
        if error:
            self.database_lost_at = self.database_lost_at or now
        elif self.database_lost_at:
            self.canary = self.canary.later(now - self.database_lost_at)
            self.database_lost_at, self.database_back_at = 0.0, now
            self.samples.clear(Stage.WRITER)
        self.database_error, self.database_at = error, now

    def counted(self, published: Mapping[str, int], ledger: list[dict[str, Any]]) -> None:
        """One count of the rows; `published` was told before it."""
        now, self.ledger = self.clock.now, ledger
        waiting = self._lag(Stage.WRITER, now).total or self.dead_letters_of(Stage.WRITER)[0]
        self.rows.take(published, ledger, waiting, now)

    def _lag(self, stage: Stage, now: float) -> Lag:
        if stage is Stage.WATCHER:
            backlog = self.instances.backlog(now)
            return Lag(known=False) if backlog is None else Lag(backlog)
        lags = [
            self.bus.consumers[name].lag
            for consumer in CONSUMERS[stage]
            if (name := f"{consumer.stream}.{consumer.name}") in self.bus.consumers
        ]
        return Lag(sum(lag.pending for lag in lags), sum(lag.ack_pending for lag in lags))

    def state(self) -> HealthState:
        """For the next process of this service."""
        clock = self.clock
        failures, forgiven = failures_of(self.instances)
        goodbyes = {stage: clock.wall_time(at) for stage, at in self.instances.goodbyes.items() if stage in STAGES}
        evicted = {
            name: Eviction(clock.wall_time(at), cause)
            for name, (at, cause) in self.evicted.items()
            if clock.now - at < RECENT_SECONDS
        }
        return HealthState(clock.wall, failures, forgiven, goodbyes, evicted)

    def inherit(self, state: HealthState) -> None:
        """What an earlier process knew. To be called after the heartbeats of the stream, before live ones."""
        at = self.clock.observed(state.at)
        for name in {*state.failures, *state.forgiven}:
            self.instances.remember(name, state.failures.get(name, 0), state.forgiven.get(name, 0), at)
        for stage, goodbye in state.goodbyes.items():
            if not self.instances.of[stage]:
                self.instances.goodbyes[stage] = self.clock.observed(min(goodbye, state.at))
        for name, eviction in state.evicted.items():
            self.evicted.setdefault(name, (self.clock.observed(min(eviction.at, state.at)), eviction.cause))

    def window(self, stage: Stage) -> StageWindow:
        """Everything the rules may know about one stage, as of the last tick."""
        now = self.clock.now
        stream, disk = WRITES[stage]
        consumers = [f"{consumer.stream}.{consumer.name}" for consumer in CONSUMERS[stage]]
        read = [consumer.stream for consumer in CONSUMERS[stage]]
        names = (*read, *([stream] if stream else []), *consumers, topology.DEADLETTERS.name)
        oldest = [self.clock.observed(self.oldest[name]) for name in consumers if self.oldest.get(name)]
        state = self.bus.streams.get(stream)
        kept, recent = self.dead_letters_of(stage)
        return StageWindow(
            stage=stage,
            instances=self.instances.known(stage, now),
            samples=self.samples.of(stage),
            started=self.started,
            grace=self.grace,
            bus_error=self.bus_fault,
            database_error=self.database_fault,
            topology_error=next((self.bus.wrong[name] for name in names if name in self.bus.wrong), ""),
            evicted=_lasting(self.evicted, consumers, now, RECENT_SECONDS),
            recreated=_lasting(self.recreated, consumers, now, RECREATED_SECONDS),
            minute_minima=self.samples.minute_minima(stage),
            goodbye_at=self.instances.goodbyes.get(stage, 0.0),
            oldest_at=min(oldest, default=0.0),
            unwanted=self.desired.get(stage) == 0,
            desired=self.desired.get(stage, 0),
            dead_letters=kept,
            dead_letters_recent=recent,
            ack_limit=sum(consumer.max_ack_pending for consumer in CONSUMERS[stage]),
            importing=self.samples.importing(now),
            desired_for_eta=self.samples.desired(stage),
            resumed_at=self.clock.resumed_at,
            rows_missing=self.rows.bytes if stage is Stage.WRITER else 0,
            rows_missing_seconds=self.rows.seconds if stage is Stage.WRITER else 0.0,
            storage=StorageState(
                stream=stream,
                stream_bytes=state.bytes if state else 0,
                stream_max_bytes=state.max_bytes if state else 0,
                disk=disk,
                disk_free_bytes=self.disks.get(disk, 0),
                disk_known=disk in self.disks,
            ),
        )

    @property
    def bus_fault(self) -> str:
        """Why nothing can be known of the stages; "" if the bus answers and works."""
        fault = self.bus_error or self._late(self.bus_at, self.bus_error)
        return fault or (f"nats-server reports a fault: {self.store_error}" if self.store_error else "")

    @property
    def database_fault(self) -> str:
        """Why the database takes no rows; "" if it does."""
        return self.database_error or self._late(self.database_at, self.database_error)

    def _late(self, at: float, error: str) -> str:
        late = self.clock.now - at > STALE_SECONDS and error != NOT_ASKED
        return f"the last check is {self.clock.now - at:.0f} s old" if late else ""

    def dead_letters_of(self, stage: Stage) -> tuple[int, int]:
        """Dead letters of a stage that are kept, and those of the last ten minutes."""
        own = [letter for letter in self.dead_letters.values() if letter.stage == stage]
        return len(own), sum(letter.at > self.clock.wall - RECENT_SECONDS for letter in own)

    def settling(self) -> frozenset[str]:
        """Components that waited for what has only just come back."""
        if self.clock.now - self.bus_back_at < SETTLING_SECONDS:
            return frozenset((*STAGES, "canary"))
        if self.clock.now - self.database_back_at < SETTLING_SECONDS:
            return frozenset((Stage.WRITER, "canary"))
        return frozenset()


def _lasting(noted: Mapping[str, tuple[float, str]], names: list[str], now: float, seconds: float) -> str:
    return next((noted[name][1] for name in names if name in noted and now - noted[name][0] < seconds), "")
