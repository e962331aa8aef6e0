"""Folds beats, looks and figures into windows, judges them, and notices what changed. Pure but for its state:
time and everything that was seen come in as arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from contracts import topology
from contracts.events import HealthChanged, Heartbeat, Phase, Stage
from contracts.topology import Consumer
from services.health import rules
from services.health.rules import SEVERITY, Status, Verdict
from services.health.snapshot import NOT_ASKED, STAGES, START, Component, Held, Letter, Snapshot
from services.health.window import SAMPLES_SECONDS, BusState, Canary, Instance, Lag, Sample, StageWindow, Storage, fold

CONSUMERS: dict[Stage, tuple[Consumer, ...]] = {
    stage: tuple(consumer for consumer in topology.CONSUMERS if consumer.stage is stage) for stage in STAGES
}
WRITES = {
    Stage.WATCHER: ("TRANSCRIPTS", "nats"),
    Stage.EMBEDDER: ("EMBEDDINGS", "nats"),
    Stage.WRITER: ("", "postgres"),
}
"""The stream that a stage writes to, and the disk below it."""
KEEP_SECONDS = 15 * 60.0
"""A vanished instance is remembered so long."""
RECENT_SECONDS = 600.0
"""Dead letters and evictions are a matter of concern for so long."""
RECREATED_SECONDS = 60.0
IMPORT_BYTES = topology.EVENT_BUDGET
"""A watcher with a larger backlog is importing."""
SLEPT_SECONDS = 20.0
"""Between two evaluations: more, and this process did not run, so that nobody can be blamed for the silence."""
STALE_SECONDS = 20.0
"""A look at the bus or the database that is older than this says nothing."""
CHANGES = 1000
COMPONENTS = ("bus", "database", *(str(stage) for stage in STAGES), "canary")
MOST_INSTANCES = 256
"""Most instances of a stage that are followed: lists, labels and the time of a judgement are bounded by it."""
MOST = 2**53
NAME_CHARS, NOTES = 200, 500
MOST_FAILURES = 10**9
CARRIED = "failures."
"""Gauges of our own heartbeat: `failures.<stage>.<instance>`, so that our successor knows them."""


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
        self.instances: dict[Stage, dict[str, Instance]] = {stage: {} for stage in Stage}
        self.done: dict[Stage, int] = dict.fromkeys(Stage, 0)
        self.samples: dict[Stage, deque[Sample]] = {stage: deque() for stage in STAGES}
        self.held = {name: Held() for name in (*COMPONENTS, "overall")}
        self.bus = BusState()
        self.bus_error = NOT_ASKED
        self.bus_at = started
        self.bus_lost_at = 0.0
        self.database_error = NOT_ASKED
        self.database_at = started
        self.oldest: dict[str, float] = {}
        """Unix time of the oldest waiting message, by consumer."""
        self.evicted: dict[str, tuple[float, str]] = {}
        self.created: dict[str, str] = {}
        """When each consumer was made, also while it is missing."""
        self.recreated: dict[str, tuple[float, str]] = {}
        self.crowded: dict[Stage, float] = {}
        """When an instance beat that is not followed."""
        self.canary = Canary()
        self.disks: dict[str, int] = {}
        self.figures: dict[str, Any] = {}
        self.coverage: list[dict[str, Any]] = []
        self.recent: list[dict[str, Any]] = []
        self.ledger: list[dict[str, Any]] = []
        self.hourly: list[dict[str, Any]] = []
        self.daily: list[dict[str, Any]] = []
        self.letters: dict[int, Letter] = {}
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
            return
        known = self.instances[beat.stage]
        before = known.get(beat.instance)
        if before is None and not self._room(beat.stage, at):
            return
        after = known[beat.instance] = fold(before, beat, at)
        if after is before:
            return
        same = before is not None and before.beat.boot_id == beat.boot_id
        self.done[beat.stage] += max(0, beat.processed - (before.beat.processed if before and same else 0))

    def _room(self, stage: Stage, at: float) -> bool:
        """True if one more instance can be followed; one that is gone makes room."""
        known = self.instances[stage]
        if len(known) < MOST_INSTANCES:
            return True
        name = min(known, key=lambda name: (known[name].beat.phase is not Phase.STOPPED, known[name].at))
        if known[name].beat.phase is Phase.STOPPED or known[name].age(at) > rules.AGE_UNHEALTHY:
            del known[name]
            return True
        self.crowded[stage] = at
        return False

    def _inherit(self, beat: Heartbeat, at: float) -> None:
        """Failures that an earlier process of this service knew of: the stream may hold no beat that tells them."""
        for name, value in beat.gauges.items():
            if name.startswith(CARRIED):
                stage, _, instance = name.removeprefix(CARRIED).partition(".")
                one = self.instances[Stage(stage)].get(instance) if stage in STAGES else None
                if one and one.at <= at and one.failures < value <= MOST_FAILURES:
                    carried = int(value) - one.beat.consecutive_failures
                    self.instances[Stage(stage)][instance] = msgspec.structs.replace(one, carried=carried)

    def carried(self) -> dict[str, float]:
        """The gauges that `_inherit` reads."""
        return {
            f"{CARRIED}{stage}.{name}": float(one.failures)
            for stage in STAGES
            for name, one in self.instances[stage].items()
            if one.failures
        }

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
        for name, state in bus.consumers.items():
            stream, _, consumer = name.partition(".")
            earlier = before.consumers.get(name)
            made, self.created[name] = self.created.get(name, state.created), state.created
            if made != state.created:
                words = f"consumer {consumer} of {stream} was made anew and reads it from the start"
                self.recreated[name] = (now, words)
            first = bus.streams[stream].first if stream in bus.streams else 0
            lost = min(first - 1 - earlier.ack_floor, earlier.lag.total) if earlier and made == state.created else 0
            if lost > 0:
                self.evicted[name] = (now, f"{lost} messages left {stream} before {consumer} had done them")
        for stage in STAGES:
            samples = self.samples[stage]
            progress = sum(one.beat.last_progress_at for one in self.instances[stage].values())
            samples.append(Sample(now, self._lag(stage), self.done[stage], progress))
            while now - samples[0].at > SAMPLES_SECONDS:
                samples.popleft()
        if self.samples[Stage.WATCHER][-1].lag.total >= IMPORT_BYTES:
            self.imported_at = now

    def _found_again(self, now: float) -> None:
        """The bus answers again. While it did not, nobody could be heard, and nothing could be done."""
        gap = now - self.bus_lost_at
        self.bus_lost_at = 0.0
        for known in self.instances.values():
            for name, one in known.items():
                known[name] = msgspec.structs.replace(one, at=min(now, one.at + gap))
        for samples in self.samples.values():
            samples.clear()
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
        self.database_error, self.database_at = error, now

    def _lag(self, stage: Stage) -> Lag:
        if stage is Stage.WATCHER:
            gauges = [one.beat.gauges for one in self.instances[stage].values() if one.beat.phase is not Phase.STOPPED]
            backlog = sum(gauge.get("backlog_bytes", 0) - gauge.get("unreadable_bytes", 0) for gauge in gauges)
            return Lag(max(0, int(backlog)))
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
        self.database_at += gap
        self.imported_at += gap
        for known in self.instances.values():
            for name, one in known.items():
                crashes = tuple(crash + gap for crash in one.crashes)
                known[name] = msgspec.structs.replace(
                    one, at=one.at + gap, first_at=one.first_at + gap, crashes=crashes
                )
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
            instances=self._known(stage, now),
            samples=tuple(self.samples[stage]),
            started=self.started,
            grace=self.grace,
            bus_error=self._bus_error(now),
            database_error=self._database_error(now),
            wiring_error=next((self.bus.wrong[name] for name in names if name in self.bus.wrong), ""),
            evicted=_lasting(self.evicted, consumers, now, RECENT_SECONDS),
            recreated=_lasting(self.recreated, consumers, now, RECREATED_SECONDS),
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
        return self.bus_error or (f"the last look is {now - self.bus_at:.0f} s old" if late else "")

    def _database_error(self, now: float) -> str:
        late = now - self.database_at > STALE_SECONDS and self.database_error != NOT_ASKED
        return self.database_error or (f"the last look is {now - self.database_at:.0f} s old" if late else "")

    def _letters(self, stage: Stage) -> tuple[int, int]:
        """Dead letters of a stage that are kept, and those of the last ten minutes."""
        own = [letter for letter in self.letters.values() if letter.stage == stage]
        return len(own), sum(letter.at > self._ticked - RECENT_SECONDS for letter in own)

    def _known(self, stage: Stage, now: float) -> dict[str, Instance]:
        """Instances without those that are long gone, and without vanished ones whose place another has taken."""
        known = self.instances[stage]
        bye = [one.at for one in known.values() if one.beat.phase is Phase.STOPPED]
        for name, one in list(known.items()):
            stopped = one.beat.phase is Phase.STOPPED
            old = one.age(now) > (RECENT_SECONDS if stopped else KEEP_SECONDS)
            if name in known and old and not (stopped and one.at == max(bye)):
                del known[name]
                if not stopped:
                    _without_goodbyes(known, one.at)
        alive = {name: one for name, one in known.items() if one.beat.phase is not Phase.STOPPED}
        fresh = sorted((one.first_at for one in alive.values() if one.age(now) < rules.SILENT_SECONDS), reverse=True)
        gone = sorted((one.at, name) for name, one in alive.items() if one.age(now) > rules.AGE_UNHEALTHY)
        replaced = set()
        for at, name in reversed(gone):
            if fresh and fresh[0] > at:
                fresh.pop(0)
                replaced.add(name)
        return {name: one for name, one in known.items() if name not in replaced}

    def snapshot(self, now: float) -> Snapshot:
        """Judges everything."""
        self.tick(now)
        windows = {stage: self.window(stage, now) for stage in STAGES}
        bus_error, database_error = self._bus_error(now), self._database_error(now)
        found = {
            "bus": self._bus(bus_error),
            "database": _reachable("2 database", database_error),
            **{str(stage): rules.judge(window, now) for stage, window in windows.items()},
            "canary": self._canary(bus_error or database_error, now),
        }
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
            issues=_issues(self, components, windows, now),
        )

    def _bus(self, error: str) -> Verdict:
        """A stream that no stage reads or writes has no stage to tell of it."""
        wrong = next((self.bus.wrong[s.name] for s in topology.STREAMS if s.name in self.bus.wrong), "")
        if wrong and not error:
            return Verdict(Status.DEGRADED, "3 wiring", wrong)
        return _reachable("1 bus", error)

    def _canary(self, error: str, now: float) -> Verdict:
        """Until the first line has arrived, what was shown before goes on: a restart proves nothing."""
        verdict = rules.judge_canary(self.canary, error, now)
        first = self.canary.period and not self.canary.last_arrived_at and not error
        if first and verdict.status is Status.HEALTHY:
            shown = self.held["canary"].shown
            known = shown.rule == verdict.rule and shown.cause != "off"
            return shown if known else Verdict(Status.UNKNOWN, verdict.rule, verdict.cause)
        return verdict

    def _overall(self) -> Verdict:
        """The worst component; root cause first."""
        shown = [(name, self.held[name].shown) for name in COMPONENTS]
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
            failures = max((one.failures for one in self.instances[Stage(name)].values()), default=0)
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


def _without_goodbyes(known: dict[str, Instance], before: float) -> None:
    """A goodbye from before another instance vanished does not explain that nobody runs."""
    for name, one in list(known.items()):
        if one.at <= before and one.beat.phase is Phase.STOPPED:
            del known[name]


def sane(beat: Heartbeat) -> bool:
    """Numbers that can be counted with and names that can be shown: what is not is no heartbeat."""
    counts = (beat.sequence, beat.pid, beat.processed, beat.failed, beat.consecutive_failures, beat.in_flight)
    times = (beat.sent_at, beat.uptime_seconds, beat.last_progress_at, beat.last_poll, beat.interval_seconds)
    rest = (beat.oldest_in_flight_seconds, beat.loop_lag_seconds, *beat.gauges.values())
    return (
        all(0 <= count < MOST for count in (*counts, beat.last_import_count, beat.total_imported))
        and all(0 <= time < MOST for time in times)
        and all(abs(value) < MOST for value in rest)
        and 0 < len(beat.instance) <= NAME_CHARS
        and len(beat.gauges) + len(beat.notes) <= NOTES
    )


def _lasting(noted: Mapping[str, tuple[float, str]], names: list[str], now: float, seconds: float) -> str:
    return next((noted[name][1] for name in names if name in noted and now - noted[name][0] < seconds), "")


def _reachable(rule: str, error: str) -> Verdict:
    if not error:
        return Verdict(Status.HEALTHY, rule, "reachable")
    if error == NOT_ASKED:
        return Verdict(Status.UNKNOWN, rule, error)
    return Verdict(Status.UNHEALTHY, rule, error)


def _issues(
    observer: Observer, components: dict[str, Component], windows: dict[Stage, StageWindow], now: float
) -> list[str]:
    """What is wrong or worth knowing, root causes first, each once."""
    found = []
    for name, component in sorted(components.items(), key=lambda item: -SEVERITY[item[1].verdict.status]):
        consequence = name in windows and component.verdict.rule in ("1 bus", "2 database")
        if component.verdict.status is not Status.HEALTHY and not consequence:
            found.append(f"{name}: {component.verdict.cause}")
    for stage, window in windows.items():
        for name, one in window.alive.items():
            if paused := one.beat.notes.get("paused"):
                found.append(f"{stage} {name}: capture pauses, {paused}")
            if files := int(one.beat.gauges.get("unreadable_files", 0)):
                found.append(f"{stage} {name}: {files} files cannot be read: {one.beat.notes.get('unreadable', '')}")
            if lines := int(one.beat.gauges.get("damaged", 0)):
                found.append(f"{stage} {name}: {lines} damaged lines archived since start (no action needed)")
            if abs(one.clock_off) > 30:
                found.append(f"{stage} {name}: its clock is {one.clock_off:+.0f} s off ours")
        if now - observer.crowded.get(stage, float("-inf")) < rules.AGE_DEGRADED:
            found.append(f"{stage}: more than {MOST_INSTANCES} instances beat, the others are not followed")
    if letters := observer.bus.messages(topology.DEADLETTERS.name):
        found.append(f"dead letters kept: {letters}, see `mnemo deadletters`")
    return list(dict.fromkeys(found))
