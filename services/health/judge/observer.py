"""Folds beats, looks and figures into windows, judges them, and notices what changed. Pure but for its state:
time and everything that was seen come in as arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from contracts import topology
from contracts.events import HealthChanged, Heartbeat, Stage
from contracts.topology import Consumer
from services.health.judge import rules
from services.health.judge.instances import Instances
from services.health.judge.issues import issues
from services.health.judge.rules import SEVERITY, Status, Verdict
from services.health.judge.snapshot import NOT_ASKED, STAGES, START, Component, Held, Letter, Snapshot
from services.health.judge.trends import FLOORS
from services.health.judge.window import SAMPLES_SECONDS, BusState, Canary, Lag, Sample, StageWindow, Storage

CONSUMERS: dict[Stage, tuple[Consumer, ...]] = {
    stage: tuple(consumer for consumer in topology.CONSUMERS if consumer.stage is stage) for stage in STAGES
}
WRITES = {
    Stage.WATCHER: ("TRANSCRIPTS", "nats"),
    Stage.EMBEDDER: ("EMBEDDINGS", "nats"),
    Stage.WRITER: ("", "postgres"),
}
"""The stream that a stage writes to, and the disk below it."""
RECENT_SECONDS = 600.0
"""Dead letters and evictions are a matter of concern for so long."""
RECREATED_SECONDS = 60.0
IMPORT_BYTES = topology.EVENT_BUDGET
"""A watcher with a larger backlog is importing."""
SLEPT_SECONDS = 8.0
"""Between two evaluations: more, and this process did not run, so that nobody can be blamed for the silence. Less than
a beat before what counts as silence."""
SETTLING_SECONDS = 20.0
"""After bus or database came back, for so long, what is wrong with those who need it is still a consequence."""
FORGOTTEN_SECONDS = 120.0
"""A person's `mnemo forget` takes messages out of the log up to so long after its tombstone."""
ARRIVING_SECONDS = 20.0
"""From the last message before the canary's line to its row with a vector, at most."""
FLOOR_SECONDS = 60.0
STALE_SECONDS = 20.0
"""A look at the bus or the database that is older than this says nothing."""
CHANGES = 1000
COMPONENTS = ("bus", "database", *(str(stage) for stage in STAGES), "canary")
EVICTED = "evicted."
"""Gauges and notes of our own heartbeat, for our successor: time and text of `evicted.<stream>.<consumer>`."""


class Observer:
    """`snapshot` is called with the time; `on_change` hears of every status that is shown anew."""

    def __init__(
        self,
        started: float,
        grace: float,
        desired: Mapping[Stage, int] | None = None,
        on_change: Callable[[HealthChanged], None] = lambda change: None,
    ) -> None:
        self.started = started
        self.grace = grace
        self.desired = dict(desired or {})
        self.on_change = on_change
        self.instances = Instances()
        self.samples: dict[Stage, deque[Sample]] = {stage: deque() for stage in STAGES}
        self.floors: dict[Stage, deque[int]] = {stage: deque(maxlen=FLOORS) for stage in STAGES}
        self.floors_at = started
        self.held = {name: Held() for name in (*COMPONENTS, "overall")}
        self.bus = BusState()
        self.bus_error = NOT_ASKED
        self.store_error = ""
        """What nats-server says is wrong with itself."""
        self.bus_at = started
        self.bus_lost_at = 0.0
        self.bus_back_at = self.database_back_at = self.forgotten_at = float("-inf")
        self.database_lost_at = 0.0
        self.database_error = NOT_ASKED
        self.database_at = started
        self.oldest: dict[str, float] = {}
        """Unix time of the oldest waiting message, by consumer."""
        self.evicted: dict[str, tuple[float, str]] = {}
        self.created: dict[str, str] = {}
        """When each consumer was made, also while it is missing."""
        self.recreated: dict[str, tuple[float, str]] = {}
        self.canary = Canary()
        self.ahead = 0
        """Messages that wait longer than the canary's line; it waits its turn."""
        self.ahead_at = float("-inf")
        self.disks: dict[str, int] = {}
        self.figures: dict[str, Any] = {}
        self.coverage: list[dict[str, Any]] = []
        self.recent: list[dict[str, Any]] = []
        self.ledger: list[dict[str, Any]] = []
        self.hourly: list[dict[str, Any]] = []
        self.daily: list[dict[str, Any]] = []
        self.letters: dict[int, Letter] = {}
        self.given_up: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        """Dead letters of the last ten minutes, at the last judgement."""
        self.changes: deque[HealthChanged] = deque(maxlen=CHANGES)
        self.imported_at = 0.0
        self._ticked = started

    # --- what is seen -------------------------------------------------------------------------------------------

    def beat(self, beat: Heartbeat, at: float, *, live: bool = True) -> None:
        """One heartbeat, in stream order, received at `at`; `live` = just now, not read from the stream."""
        if live:
            self.tick(at)
        if beat.stage is Stage.HEALTH:
            if not live:
                self._inherit(beat, at)
        else:
            self.instances.beat(beat, at)

    def _inherit(self, beat: Heartbeat, at: float) -> None:
        """What an earlier process of this service knew of."""
        for name, value in beat.gauges.items():
            if name.startswith(EVICTED) and name in beat.notes:
                self.evicted.setdefault(name.removeprefix(EVICTED), (min(value, at), beat.notes[name]))
            else:
                self.instances.inherit(name, value, at)

    def carried(self) -> tuple[dict[str, float], dict[str, str]]:
        """The gauges and notes of our own heartbeat that a successor reads."""
        recent = {n: (at, text) for n, (at, text) in self.evicted.items() if self._ticked - at < RECENT_SECONDS}
        gauges = {f"{EVICTED}{name}": at for name, (at, _) in recent.items()}
        return {**self.instances.carried(), **gauges}, {f"{EVICTED}{name}": text for name, (_, text) in recent.items()}

    def restore(self, past: Sequence[HealthChanged], *, shown: bool = True) -> None:
        """Status changes of the past, in stream order; `shown` = nobody stopped watching since. They come before
        those of this process; what it has judged already (the bus was away when it began) is newer."""
        self.changes = deque([*past, *self.changes], maxlen=CHANGES)
        for name, change in {change.component: change for change in past}.items():
            if shown and name in self.held and self.held[name].shown is START and change.after in set(Status):
                self.held[name].restore(Verdict(Status(change.after), change.rule, change.cause), change.at)

    def probed(self, bus: BusState, now: float) -> None:
        """One look at the bus."""
        self.tick(now)
        if bus.error:
            self.bus_lost_at = self.bus_lost_at or now
        elif self.bus_lost_at:
            self._found_again(now)
        self.bus_error, self.bus_at = bus.error, now
        if bus.error:
            return
        before, self.bus = self.bus, bus
        if bus.tombstones > before.tombstones:
            self.forgotten_at = now
        for name, state in bus.consumers.items():
            stream, _, consumer = name.partition(".")
            earlier = before.consumers.get(name)
            made, self.created[name] = self.created.get(name, state.created), state.created
            if made != state.created:
                words = f"consumer {consumer} of {stream} was made anew and reads it from the start"
                self.recreated[name] = (now, words)
            first = bus.streams[stream].first if stream in bus.streams else 0
            lost = min(first - 1 - earlier.ack_floor, earlier.lag.total) if earlier and made == state.created else 0
            if lost > 0 and now - self.forgotten_at > FORGOTTEN_SECONDS:
                self.evicted[name] = (now, f"{lost} messages left {stream} before {consumer} had done them")
        for stage in STAGES:
            samples = self.samples[stage]
            done, progress = self.instances.done[stage], self.instances.progress[stage]
            samples.append(Sample(now, self._lag(stage, now), done, progress, self._saturated(stage)))
            while now - samples[0].at > SAMPLES_SECONDS:
                samples.popleft()
        if now - self.floors_at >= FLOOR_SECONDS:
            self.floors_at = now
            for stage in STAGES:
                last = [sample.lag.total for sample in self.samples[stage] if now - sample.at <= FLOOR_SECONDS]
                self.floors[stage].append(min(last))
        if self.samples[Stage.WATCHER][-1].lag.total >= IMPORT_BYTES:
            self.imported_at = now

    def _saturated(self, stage: Stage) -> bool:
        known = [(self.bus.consumers.get(f"{one.stream}.{one.name}"), one) for one in CONSUMERS[stage]]
        return any(state is not None and state.lag.ack_pending >= one.max_ack_pending for state, one in known)

    def _found_again(self, now: float) -> None:
        """The bus answers again. While it did not, nobody could be heard, and nothing could be done."""
        gap = now - self.bus_lost_at
        self.bus_lost_at = 0.0
        self.bus_back_at = now
        self.started = min(now, self.started + gap)
        self.instances.unheard(gap, now)
        for stage in STAGES:
            self.samples[stage].clear()
            self.floors[stage].clear()
        self._canary_moved(gap)

    def _canary_moved(self, gap: float) -> None:
        sent, waiting = self.canary.last_sent_at, self.canary.waiting_since
        self.canary = msgspec.structs.replace(
            self.canary,
            last_sent_at=sent + gap if sent else 0.0,
            waiting_since=waiting + gap if waiting else 0.0,
        )

    def database(self, error: str, now: float) -> None:
        """One look at the database."""
        self.tick(now)
        if error:
            self.database_lost_at = self.database_lost_at or now
        elif self.database_lost_at:
            self._canary_moved(now - self.database_lost_at)
            self.database_lost_at, self.database_back_at = 0.0, now
            self.samples[Stage.WRITER].clear()
            self.floors[Stage.WRITER].clear()
        self.database_error, self.database_at = error, now

    def _lag(self, stage: Stage, now: float) -> Lag:
        if stage is Stage.WATCHER:
            return Lag(self.instances.backlog(now))
        lags = [
            self.bus.consumers[name].lag
            for consumer in CONSUMERS[stage]
            if (name := f"{consumer.stream}.{consumer.name}") in self.bus.consumers
        ]
        return Lag(sum(lag.pending for lag in lags), sum(lag.ack_pending for lag in lags))

    # --- what follows from it -----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Called before each evaluation. Time in which this process did not run is no evidence against anybody:
        the machine slept, the clock was set, or we were frozen. Everything seen is moved forward by it."""
        gap = now - self._ticked
        self._ticked = now
        if -1.0 <= gap <= SLEPT_SECONDS:
            return
        self.started += gap
        self.bus_at += gap
        self.bus_lost_at += gap if self.bus_lost_at else 0.0
        self.database_lost_at += gap if self.database_lost_at else 0.0
        self.bus_back_at += gap
        self.database_back_at += gap
        self.forgotten_at += gap
        self.ahead_at += gap
        self.floors_at += gap
        self.database_at += gap
        self.imported_at += gap
        self.instances.shift(gap)
        for samples in self.samples.values():
            moved = [msgspec.structs.replace(sample, at=sample.at + gap) for sample in samples]
            samples.clear()
            samples.extend(moved)
        self.oldest = {name: at + gap for name, at in self.oldest.items()}
        self._canary_moved(gap)
        self.recreated = {name: (at + gap, text) for name, (at, text) in self.recreated.items()}
        self.evicted = {name: (at + gap, text) for name, (at, text) in self.evicted.items()}

    def window(self, stage: Stage, now: float) -> StageWindow:
        """Everything the rules may know about one stage."""
        stream, disk = WRITES[stage]
        consumers = [f"{consumer.stream}.{consumer.name}" for consumer in CONSUMERS[stage]]
        read = [consumer.stream for consumer in CONSUMERS[stage]]
        names = (*read, *([stream] if stream else []), *consumers, topology.DEADLETTERS.name)
        oldest = [self.oldest[name] for name in consumers if self.oldest.get(name)]
        state = self.bus.streams.get(stream)
        letters, recent = self._letters(stage)
        return StageWindow(
            stage=stage,
            instances=self.instances.known(stage, now),
            samples=tuple(self.samples[stage]),
            started=self.started,
            grace=self.grace,
            bus_error=self._bus_error(now),
            database_error=self._database_error(now),
            wiring_error=next((self.bus.wrong[name] for name in names if name in self.bus.wrong), ""),
            evicted=_lasting(self.evicted, consumers, now, RECENT_SECONDS),
            recreated=_lasting(self.recreated, consumers, now, RECREATED_SECONDS),
            floors=tuple(self.floors[stage]),
            goodbye_at=self.instances.goodbyes.get(stage, 0.0),
            oldest_at=min(oldest, default=0.0),
            desired=self.desired.get(stage, 0),
            dead_letters=letters,
            dead_letters_recent=recent,
            ack_limit=sum(consumer.max_ack_pending for consumer in CONSUMERS[stage]),
            importing=now - self.imported_at < SAMPLES_SECONDS,
            storage=Storage(
                stream=stream,
                stream_bytes=state.bytes if state else 0,
                stream_max_bytes=state.max_bytes if state else 0,
                disk=disk,
                disk_free_bytes=self.disks.get(disk, 0),
                disk_known=disk in self.disks,
            ),
        )

    def _bus_error(self, now: float) -> str:
        late = now - self.bus_at > STALE_SECONDS and self.bus_error != NOT_ASKED
        old = f"the last look is {now - self.bus_at:.0f} s old" if late else ""
        return self.bus_error or old or (f"nats-server cannot work: {self.store_error}" if self.store_error else "")

    def _database_error(self, now: float) -> str:
        late = now - self.database_at > STALE_SECONDS and self.database_error != NOT_ASKED
        return self.database_error or (f"the last look is {now - self.database_at:.0f} s old" if late else "")

    def _letters(self, stage: Stage) -> tuple[int, int]:
        """Dead letters of a stage that are kept, and those of the last ten minutes."""
        own = [letter for letter in self.letters.values() if letter.stage == stage]
        return len(own), sum(letter.at > self._ticked - RECENT_SECONDS for letter in own)

    def snapshot(self, now: float) -> Snapshot:
        """Judges everything."""
        self.tick(now)
        self._forgive()
        windows = {stage: self.window(stage, now) for stage in STAGES}
        bus_error, database_error = self._bus_error(now), self._database_error(now)
        found = {
            "bus": self._bus(bus_error),
            "database": _reachable("2 database", database_error),
            **{str(stage): rules.judge(window, now) for stage, window in windows.items()},
        }
        self._queue(_ahead(windows, found, self.canary), now)
        found["canary"] = self._canary(bus_error or database_error, now)
        for name, verdict in found.items():
            self._take(name, verdict, now)
        overall = self._overall()
        before = self.held["overall"].shown.status
        if before is not overall.status:
            self._tell("overall", self.held["overall"], overall, now)
        self.held["overall"].shown = overall
        self.held["overall"].since = self.held["overall"].since if before is overall.status else now
        components = {name: Component(self.held[name].shown, self.held[name].since) for name in COMPONENTS}
        return Snapshot(
            at=now,
            status=overall.status,
            cause=overall.cause,
            since=self.held["overall"].since,
            components=components,
            settling=self._settling(now),
            windows=windows,
            bus=self.bus,
            bus_error=bus_error,
            database_error=database_error,
            canary=self.canary,
            figures=self.figures,
            coverage=self.coverage,
            recent=self.recent,
            ledger=self.ledger,
            hourly=self.hourly,
            daily=self.daily,
            letters=sorted(self.letters.values(), key=lambda letter: -letter.sequence),
            changes=list(self.changes),
            disks=dict(self.disks),
            issues=issues(components, windows, self.bus, self.instances.crowded, now),
        )

    def _forgive(self) -> None:
        for stage in STAGES:
            before, self.given_up[stage] = self.given_up[stage], self._letters(stage)[1]
            if before and not self.given_up[stage]:
                self.instances.forgive(stage)

    def _settling(self, now: float) -> frozenset[str]:
        """Components that waited for what has only just come back."""
        if now - self.bus_back_at < SETTLING_SECONDS:
            return frozenset((*STAGES, "canary"))
        if now - self.database_back_at < SETTLING_SECONDS:
            return frozenset((Stage.WRITER, "canary"))
        return frozenset()

    def _bus(self, error: str) -> Verdict:
        """A stream that no stage reads or writes has no stage to tell of it."""
        wrong = next((self.bus.wrong[s.name] for s in topology.STREAMS if s.name in self.bus.wrong), "")
        if wrong and not error:
            return Verdict(Status.DEGRADED, "3 wiring", wrong)
        return _reachable("1 bus", error)

    def _queue(self, ahead: int | None, now: float) -> None:
        """Whether the canary's line waits its turn. When nothing is before it any more, it is given time to arrive."""
        if ahead:
            self.ahead, self.ahead_at = ahead, now
        elif ahead is None or now - self.ahead_at >= ARRIVING_SECONDS:
            self.ahead = 0

    def _canary(self, error: str, now: float) -> Verdict:
        """Until the first line has arrived, what was shown before goes on: a restart proves nothing."""
        verdict = rules.judge_canary(self.canary, error, now, self.ahead)
        first = self.canary.period and not self.canary.last_arrived_at and not error
        if first and verdict.status is Status.HEALTHY:
            shown = self.held["canary"].shown
            known = shown.rule == verdict.rule and shown.cause != "off"
            return shown if known else Verdict(Status.UNKNOWN, verdict.rule, verdict.cause)
        return verdict

    def _overall(self) -> Verdict:
        """The worst component; root cause first. A canary of which no line has arrived yet says nothing of the rest."""
        shown = [(name, self.held[name].shown) for name in COMPONENTS]
        shown = [(name, held) for name, held in shown if name != "canary" or held.status is not Status.UNKNOWN]
        if self.held["bus"].shown.status is Status.UNHEALTHY:
            return self.held["bus"].shown
        judged = [(name, verdict) for name, verdict in shown if name != "database"]
        name, verdict = max(judged, key=lambda item: SEVERITY[item[1].status])
        cause = verdict.cause if verdict.status is not Status.HEALTHY else "all stages are healthy"
        return Verdict(
            verdict.status, verdict.rule, f"{name}: {cause}" if verdict.status is not Status.HEALTHY else cause
        )

    def _take(self, name: str, verdict: Verdict, now: float) -> None:
        held = self.held[name]
        before, since = held.shown, held.since
        shown = held.take(verdict, now)
        if shown.status is not before.status:
            after, held.shown, held.since = held.shown, before, since
            self._tell(name, held, after, now)
            held.shown, held.since = after, now

    def _tell(self, name: str, before: Held, after: Verdict, now: float) -> None:
        failures = 0
        if name in STAGES:
            failures = max((one.failures for one in self.instances.of[Stage(name)].values()), default=0)
        change = HealthChanged(
            component=name,
            before=before.shown.status,
            after=after.status,
            rule=after.rule,
            cause=after.cause,
            at=now,
            seconds=max(0.0, now - before.since) if before.since else 0.0,
            consecutive_failures=failures,
        )
        self.changes.append(change)
        self.on_change(change)


def _ahead(windows: Mapping[Stage, StageWindow], found: Mapping[str, Verdict], canary: Canary) -> int | None:
    """Messages that wait longer than the canary's line; None if those who have them in hand are not well."""
    after = [windows[stage] for stage in (Stage.EMBEDDER, Stage.WRITER)]
    if any(found[window.stage].status is not Status.HEALTHY for window in after):
        return None
    until = canary.waiting_since + canary.period  # its own message is stored a little later than it was written
    return sum(w.lag.total for w in after if w.lag.total and 0 < w.oldest_at <= until)


def _lasting(noted: Mapping[str, tuple[float, str]], names: list[str], now: float, seconds: float) -> str:
    return next((noted[name][1] for name in names if name in noted and now - noted[name][0] < seconds), "")


def _reachable(rule: str, error: str) -> Verdict:
    if not error:
        return Verdict(Status.HEALTHY, rule, "reachable")
    if error == NOT_ASKED:
        return Verdict(Status.UNKNOWN, rule, error)
    return Verdict(Status.UNHEALTHY, rule, error)
