"""Folding: failures over restarts, goodbyes, sleep, a lost bus, our own restart; hysteresis; alerts."""

from __future__ import annotations

import msgspec
import pytest

from contracts.events import AlertDelivered, HealthChanged, Heartbeat, Phase, Stage
from contracts.reasons import Reason
from contracts.vitals import SourceVitals, WatcherVitals
from runtime.clock import SystemClock
from runtime.heartbeat import Beat
from services.health.http.bodies import archive as bodies
from services.health.judge.beats import Instance, fold
from services.health.judge.evaluation import Judge
from services.health.judge.held import Held
from services.health.judge.instances import MOST_INSTANCES, is_valid
from services.health.judge.memory import HealthState
from services.health.judge.observer import Observer
from services.health.judge.rules.table import judge
from services.health.judge.rules.verdict import Status, Verdict
from services.health.judge.snapshot import KeptLetter, Snapshot
from services.health.judge.window import BusState, CanaryState, ConsumerState, Lag, StreamState
from services.health.notify.alerts import Alert, Alerts
from services.health.observe.dead_letters import QUEUE, DeadLetterRequests, newest
from tests.unit.test_health_rules import NOW, beat, one, window

CONSUMERS = ("TRANSCRIPTS.embedder", "TRANSCRIPTS.writer", "EMBEDDINGS.writer")


def bus(lag: int = 0, floor: int = 10, first: int = 1, created: str = "c1") -> BusState:
    """A healthy bus on which `lag` messages wait for everybody."""
    streams = {name: StreamState(100, 1000, 10**9, first, 100) for name in ("TRANSCRIPTS", "EMBEDDINGS", "HEARTBEATS")}
    return BusState("", streams, {name: ConsumerState(Lag(lag), 0, floor, created) for name in CONSUMERS})


LONGEST = 5.0
SAVED = WatcherVitals(backlog_bytes=0)


class World:
    """Three stages with one instance each, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.changes: list[HealthChanged] = []
        self.observer = Observer(NOW, 45.0)
        self.judge = Judge(self.observer, self.changes.append)
        self.sequence = 0
        self.silent: set[Stage] = set()
        self.facts: dict[str, object] = {}

    def beat(self, stage: Stage, **more: object) -> Heartbeat:
        self.sequence += 1
        facts = {
            "stage": stage,
            "instance": f"{stage}-0",
            "sequence": self.sequence,
            "sent_at": self.now,
            "processed": 1,
            "vitals": SAVED if stage is Stage.WATCHER else None,
        }
        made = beat(**{**facts, **self.facts, **more})
        self.observer.beat(made, self.now)
        return made

    def step(self, seconds: float = 1.0, state: BusState | None = None, database: str = "") -> Snapshot:
        while seconds > LONGEST:  # more would be taken for sleep
            self.step(LONGEST, state, database)
            seconds -= LONGEST
        self.now += seconds
        for stage in (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER):
            if stage not in self.silent:
                self.beat(stage)
        self.observer.probed(state or bus(), self.now)
        self.observer.database(database, self.now)
        return self.judge.snapshot(self.now)

    def steps(self, count: int, seconds: float = 1.0, **more: object) -> Snapshot:
        for _ in range(count):
            snapshot = self.step(seconds, **more)  # type: ignore[arg-type]
        return snapshot


def changed(component: str, before: str, after: str, reason: Reason, at: float) -> HealthChanged:
    return HealthChanged(component, before, after, "…", at, reason=reason)


def kept(observer: Observer) -> HealthState:
    """What the next process finds, after its way over the wire."""
    return msgspec.json.decode(msgspec.json.encode(observer.state()), type=HealthState)


def verdict_of(observer: Observer, stage: Stage) -> Verdict:
    """What the rules say now."""
    return judge(observer.window(stage), observer.clock.now)


@pytest.fixture
def world() -> World:
    made = World()
    assert made.steps(3).status is Status.HEALTHY
    return made


def test_a_crash_loop_cannot_reset_the_count() -> None:
    folded = one()
    for boot in range(5):
        folded = fold(folded, beat(boot_id=f"boot {boot}", uptime_seconds=1.0), NOW + boot)
    assert folded.failures == 5
    assert judge(window(folded), NOW + 5).reason == "RestartLoop"
    later = fold(folded, beat(boot_id="boot 4", sequence=2, uptime_seconds=30.0), NOW + 301)
    assert judge(window(later), NOW + 320).reason == "FailingRepeatedly"  # the loop is long ago, no success came since


def test_a_success_or_a_goodbye_ends_the_count() -> None:
    crashed = fold(one(failures=3), beat(boot_id="b2", uptime_seconds=1.0), NOW + 1)
    assert (crashed.failures, len(crashed.crashes)) == (4, 1)
    assert fold(crashed, beat(boot_id="b2", sequence=2, processed=1), NOW + 2).failures == 0
    asked = fold(one(phase=Phase.STOPPED), beat(boot_id="b2"), NOW + 1)
    assert (asked.failures, asked.crashes) == (0, ())


def test_a_beat_that_comes_twice_or_late_changes_nothing() -> None:
    first = one()
    assert fold(first, first.beat, NOW + 9) is first


def test_who_asks_for_work_is_seen_by_whether_the_stamp_moves() -> None:
    """Neither another machine's clock, nor a silence, nor work in hand, nor a start counts as not asking."""
    seen = one(last_poll=5.0, polls=1)
    for n in range(1, 8):
        seen = fold(seen, beat(sequence=1 + n, last_poll=5.0, polls=1), NOW + 5 * n)
    assert seen.unpolled == 35.0
    assert judge(window(seen, stage=Stage.WATCHER), NOW + 35).reason == "WorkStalled"
    silent = fold(one(last_poll=5.0, polls=1), beat(sequence=2, last_poll=5.0, polls=1), NOW + 500)
    assert silent.unpolled == 10.0  # it was frozen; that is told by its silence
    assert fold(seen, beat(sequence=20, last_poll=6.0, polls=1), NOW + 40).unpolled == 0.0
    assert fold(seen, beat(sequence=20, last_poll=5.0, polls=1, boot_id="b2"), NOW + 40).unpolled == 0.0
    assert fold(seen, beat(sequence=20, last_poll=5.0, polls=1, phase=Phase.DRAINING), NOW + 40).unpolled == 0.0
    silent = one(last_poll=5.0)  # an older version, which told it now and then
    assert fold(silent, beat(sequence=2, last_poll=5.0), NOW + 9).unpolled == 0.0


def test_a_lost_bus_is_no_time_without_a_look_for_work(world: World) -> None:
    world.facts = {"last_poll": 5.0, "polls": 1}
    world.steps(3)
    for _ in range(10):
        world.now += 10
        world.observer.probed(BusState(error="timeout"), world.now)
        world.observer.database("", world.now)
    assert world.steps(3).status is Status.HEALTHY
    assert world.steps(40).components["watcher"].verdict.reason == "WorkStalled"


def test_the_number_of_instances_is_bounded_and_told(world: World) -> None:
    for number in range(MOST_INSTANCES + 50):
        world.beat(Stage.EMBEDDER, instance=f"e{number}")
    assert len(world.observer.instances.of[Stage.EMBEDDER]) == MOST_INSTANCES
    issues = world.step().issues
    assert f"embedder: more than {MOST_INSTANCES} instances beat, the others are not followed" in issues
    world.steps(130)  # those are gone
    world.beat(Stage.EMBEDDER, instance="another")
    assert "another" in world.observer.instances.of[Stage.EMBEDDER]
    assert not any("are not followed" in issue for issue in world.step().issues)


def test_clocks_of_other_machines_do_not_matter() -> None:
    late = fold(None, beat(sent_at=NOW - 3600), NOW)
    assert late.age(NOW + 5) == 5
    assert late.clock_off == -3600


def test_worse_shows_after_two_looks_and_better_after_three() -> None:
    held = Held()
    good, bad = judge(window(one()), NOW), judge(window(one(90)), NOW)
    shown = [held.take(verdict, NOW).status for verdict in (good, bad, bad, good, good, good)]
    assert shown == ["healthy", "healthy", "degraded", "degraded", "degraded", "healthy"]


@pytest.mark.parametrize("reason", ["BusUnreachable", "DatabaseUnreachable", "TopologyDrift", "MessagesEvicted"])
def test_root_causes_show_at_once(reason: str) -> None:
    held = Held()
    held.take(judge(window(one()), NOW), NOW)
    assert held.take(Verdict(Status.UNHEALTHY, Reason(reason), "…"), NOW).status == "unhealthy"


def test_three_hours_of_sleep_alarm_nobody(world: World) -> None:
    world.now += 3 * 3600
    world.observer.probed(bus(), world.now)
    world.observer.database("", world.now)
    for _ in range(10):  # nobody has beaten yet
        assert world.judge.snapshot(world.now).status is Status.HEALTHY
        world.now += 1
    assert world.steps(5).status is Status.HEALTHY
    assert [change for change in world.changes if change.before != "unknown"] == []


def test_a_clock_set_back_alarms_nobody_and_hides_nobody(world: World) -> None:
    world.now -= 7200
    assert world.steps(5).status is Status.HEALTHY
    world.silent = {Stage.WATCHER}
    for _ in range(13):
        snapshot = world.steps(10, state=bus())
    assert snapshot.components["watcher"].verdict.reason == "HeartbeatStale"


def test_silence_while_the_bus_was_lost_is_nobodys_fault(world: World) -> None:
    lost = BusState(error="timeout")
    for _ in range(20):
        world.now += 10
        world.observer.probed(lost, world.now)
        world.observer.database("", world.now)
        snapshot = world.judge.snapshot(world.now)
    assert snapshot.status is Status.UNHEALTHY
    assert snapshot.components["bus"].verdict.status is Status.UNHEALTHY
    assert snapshot.components["watcher"].verdict.status is Status.UNKNOWN
    assert snapshot.issues == ["bus: timeout"]  # the cause once, no word of the stages
    world.silent = set(Stage)
    before = len(world.changes)
    assert world.steps(6).status is Status.HEALTHY  # before anybody has beaten again
    assert {change.after for change in world.changes[before:]} == {"healthy"}, world.changes[before:]


def test_a_lost_database_is_named_once(world: World) -> None:
    snapshot = world.step(database="refused")
    assert snapshot.status is Status.UNHEALTHY
    assert snapshot.components["writer"].verdict.reason == "DatabaseUnreachable"
    assert snapshot.issues == ["database: refused"]
    assert snapshot.components["embedder"].verdict.status is Status.HEALTHY


def test_a_look_that_hangs_is_no_good_news(world: World) -> None:
    for _ in range(25):
        world.now += 1
        for stage in (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER):
            world.beat(stage)
        world.observer.database("", world.now)
        snapshot = world.judge.snapshot(world.now)
    assert snapshot.components["bus"].verdict.status is Status.UNHEALTHY
    assert "old" in snapshot.bus_error


def test_an_old_goodbye_does_not_explain_a_dead_stage(world: World) -> None:
    world.observer.beat(beat(stage=Stage.WRITER, instance="former", phase=Phase.STOPPED), world.now)
    world.silent = {Stage.WRITER}
    for _ in range(80):
        snapshot = world.step(15.0)
    assert snapshot.components["writer"].verdict.status is Status.UNHEALTHY
    assert "stopped on request" not in snapshot.components["writer"].verdict.cause


def test_a_vanished_instance_is_not_replaced_by_one_that_was_there_before(world: World) -> None:
    fresh = Observer(world.now, 45.0)  # has heard of both only now
    for name, age in (("a", 200.0), ("b", 1.0)):
        fresh.beat(beat(stage=Stage.WRITER, instance=name), world.now - age, live=False)
    fresh.probed(bus(), world.now)
    fresh.database("", world.now)
    assert verdict_of(fresh, Stage.WRITER).reason == "InstanceVanished"


def test_a_beat_that_comes_before_the_jump_is_noticed_is_not_moved_twice(world: World) -> None:
    world.now += 3 * 3600
    world.beat(Stage.WRITER)
    world.step()
    world.silent = {Stage.WRITER}
    for _ in range(14):
        snapshot = world.step(10.0)
    assert snapshot.components["writer"].verdict.reason == "HeartbeatStale"


@pytest.mark.parametrize("name", ["HEARTBEATS", "DEADLETTERS", "HEALTH", "ADVISORIES"])
def test_a_missing_stream_is_never_healthy(world: World, name: str) -> None:
    state = msgspec.structs.replace(bus(), wrong={name: f"stream {name} is missing"})
    snapshot = world.steps(3, state=state)
    assert snapshot.status is not Status.HEALTHY
    assert any(name in issue for issue in snapshot.issues)


@pytest.mark.parametrize(
    "more",
    [
        {"vitals": WatcherVitals(backlog_bytes=10**300)},
        {"vitals": WatcherVitals(sweep_period_seconds=float("nan"))},
        {"vitals": WatcherVitals(sources={"x": SourceVitals(files=-(10**20))})},
        {"consecutive_failures": 10**40},
        {"processed": -1},
        {"uptime_seconds": float("inf")},
        {"instance": "x" * 201},
        {"instance": ""},
        {"vitals": WatcherVitals(lines={f"damaged:{n}": 1 for n in range(501)})},
        {"vitals": WatcherVitals(sources={str(n): SourceVitals() for n in range(501)})},
    ],
)
def test_what_cannot_be_counted_with_is_no_heartbeat(more: dict[str, object]) -> None:
    assert is_valid(beat())
    assert not is_valid(beat(**more))


def test_the_canary_is_not_blamed_for_sleep_or_a_lost_bus_and_a_restart_keeps_its_status(world: World) -> None:
    sent = CanaryState(
        30.0, sent=5, arrived=4, last_sent_at=world.now, last_arrived_at=world.now - 30, waiting_since=world.now
    )
    world.observer.canary = sent
    world.now += 3 * 3600
    assert world.steps(3).components["canary"].verdict.status is Status.HEALTHY
    assert world.observer.canary.waiting_since > world.observer.clock.now - 60
    fresh = Judge(Observer(world.now, 45.0))
    fresh.observer.canary = CanaryState(30.0, sent=1, last_sent_at=world.now, waiting_since=world.now)
    fresh.restore([changed("canary", "healthy", "unhealthy", Reason.CANARY, world.now)])
    fresh.observer.probed(bus(), world.now)
    fresh.observer.database("", world.now)
    for _ in range(5):
        assert fresh.snapshot(world.now).components["canary"].verdict.status is Status.UNHEALTHY


def test_one_loop_that_works_does_not_hide_one_that_fails() -> None:
    mine = Beat(Stage.WRITER, "w", 5.0, SystemClock())
    for _ in range(5):
        mine.failed_with("locked", "TRANSCRIPTS.writer")
        mine.succeeded(1, "EMBEDDINGS.writer")
    assert mine.event().consecutive_failures == 5
    mine.succeeded(1, "TRANSCRIPTS.writer")
    assert mine.event().consecutive_failures == 0


@pytest.mark.parametrize("how", ["in time", "by a person"])
def test_what_was_given_up_is_history_when_it_is_dealt_with(world: World, how: str) -> None:
    """Five poison messages on an idle system are no fault for ever; a sixth one counts as one."""
    facts = ("x", "TRANSCRIPTS", 5, 6, "error", "", "writer-0", world.now, 10, "{}")
    world.facts = {"consecutive_failures": 5}
    world.steps(3)
    world.observer.dead_letters[1] = KeptLetter(1, "writer", *facts)
    assert world.steps(3).components["writer"].verdict.reason == "FailingRepeatedly"
    if how == "in time":
        world.steps(130, 5.0)
    else:
        world.observer.dead_letters.clear()
    assert world.steps(4).components["writer"].verdict.status is Status.HEALTHY
    assert world.step().components["watcher"].verdict.reason == "FailingRepeatedly"  # nothing of it was given up
    state = kept(world.observer)
    assert state.forgiven == {"writer.writer-0": 5}
    fresh = Observer(world.now, 45.0)  # and stay history over a restart
    fresh.beat(world.beat(Stage.WRITER), world.now)
    fresh.inherit(state)
    assert fresh.instances.of[Stage.WRITER]["writer-0"].failures == 0
    world.facts = {"consecutive_failures": 6}
    assert world.steps(3).components["writer"].verdict.reason == "Failing"
    assert world.steps(1).windows[Stage.WRITER].failures == 1


def test_work_in_hand_is_no_rest_that_ends_a_count() -> None:
    crashed = fold(one(failures=3), beat(boot_id="b2", uptime_seconds=1.0), NOW + 1)
    holding = fold(crashed, beat(boot_id="b2", sequence=2, uptime_seconds=70.0, in_flight=3), NOW + 71)
    assert holding.failures == 4
    assert fold(holding, beat(boot_id="b2", sequence=3, uptime_seconds=75.0), NOW + 76).failures == 0


def test_a_restart_is_no_progress(world: World) -> None:
    """An instance that hangs again after each restart has finished nothing."""
    for number in range(80):
        facts = {"stage": Stage.WRITER, "last_progress_at": 0.0 if number > 20 else NOW, "processed": 0}
        facts |= {"boot_id": f"b{number // 40}", "uptime_seconds": 100.0}
        world.silent = {Stage.WRITER}
        world.beat(**facts)  # type: ignore[arg-type]
        snapshot = world.step(1.0, bus(lag=50))
    assert snapshot.components["writer"].verdict.reason == "WorkStalled"


def test_the_backlog_of_a_watcher_that_is_gone_is_not_waiting_for_the_next(world: World) -> None:
    world.facts = {"vitals": WatcherVitals(backlog_bytes=80_000_000)}
    world.beat(Stage.WATCHER, instance="old")
    world.facts = {}
    world.steps(5)
    assert world.step().windows[Stage.WATCHER].lag.total == 80_000_000  # it may still be working
    world.steps(40)
    assert world.step().windows[Stage.WATCHER].lag.total == 0


def test_a_watcher_of_another_machine_takes_nobodys_place(world: World) -> None:
    for host, takes in (("laptop-b", False), ("laptop-a", True)):
        other = World()
        other.beat(Stage.WATCHER, vitals=WatcherVitals(host="laptop-a", backlog_bytes=0))
        other.silent = {Stage.WATCHER}
        for number in range(140):
            other.step()
            told = WatcherVitals(host=host, backlog_bytes=0)
            other.beat(Stage.WATCHER, instance="new", boot_id="n", uptime_seconds=float(number), vitals=told)
        healthy = other.step().components["watcher"].verdict.status is Status.HEALTHY
        assert healthy is takes, host


def test_a_goodbye_is_remembered_over_a_restart(world: World) -> None:
    world.silent = {Stage.EMBEDDER}
    world.beat(Stage.EMBEDDER, phase=Phase.STOPPED)
    assert world.steps(200, 5.0).status is Status.HEALTHY  # scaled to zero, nothing waits
    fresh = Observer(world.now, 45.0)  # the stream has dropped the goodbye
    fresh.inherit(kept(world.observer))
    fresh.probed(bus(), world.now)
    fresh.database("", world.now)
    assert verdict_of(fresh, Stage.EMBEDDER).status is Status.HEALTHY
    fresh.beat(beat(stage=Stage.EMBEDDER, instance="e"), world.now)
    assert Stage.EMBEDDER not in fresh.instances.goodbyes


def test_messages_that_a_person_wanted_gone_are_no_eviction(world: World) -> None:
    world.step(state=bus(lag=50, floor=10))
    gone = msgspec.structs.replace(bus(lag=30, floor=10, first=31), tombstones=1)
    assert world.steps(3, state=gone).components["writer"].verdict.status is Status.HEALTHY
    lost = World()
    lost.step(state=bus(lag=50, floor=10))
    lost.step(state=bus(lag=30, floor=30, first=31))
    fresh = Observer(lost.now, 45.0)  # a real one outlives a restart
    fresh.inherit(kept(lost.observer))
    fresh.probed(bus(), lost.now)
    fresh.database("", lost.now)
    assert verdict_of(fresh, Stage.WRITER).reason == "MessagesEvicted"


def test_after_an_outage_of_the_database_nobody_is_told_twice(world: World) -> None:
    alerts = Alerts("degraded", 300.0)
    world.facts = {"consecutive_failures": 20, "processed": 0}
    world.silent = {Stage.WATCHER, Stage.EMBEDDER}
    world.observer.canary = CanaryState(30.0, 5, 4, 0, world.now, world.now - 30, 1.0, world.now)
    sent = [alert for _ in range(12) for alert in alerts.due(world.step(5.0, bus(lag=3), "refused"))]
    for _ in range(10):  # it answers; the writer's next try comes a little later
        sent += alerts.due(world.step(1.0, bus(lag=3)))
    world.facts = {"processed": 9}
    world.observer.canary = msgspec.structs.replace(world.observer.canary, arrived=5, waiting_since=0.0)
    for _ in range(70):
        sent += alerts.due(world.step(5.0))
    assert [(a.component, a.resolved) for a in sent if a.component in ("database", "writer", "canary")] == [
        ("database", False),
        ("database", True),
    ]


def test_a_canary_on_its_first_way_is_unknown_and_says_nothing_of_the_rest(world: World) -> None:
    world.observer.canary = CanaryState(30.0, sent=1, last_sent_at=world.now, waiting_since=world.now)
    snapshot = world.steps(3)
    assert snapshot.components["canary"].verdict.status is Status.UNKNOWN
    assert snapshot.status is Status.HEALTHY
    assert any("first line is on its way" in issue for issue in snapshot.issues)


def test_a_line_that_waits_its_turn_is_not_lost_and_has_time_to_arrive(world: World) -> None:
    """An import of 300 s before it; then it must come, or it is lost."""
    began = world.now
    world.observer.canary = CanaryState(30.0, 5, 4, 0, began, began - 30, 1.0, began)
    name = "TRANSCRIPTS.embedder"
    lag = {name: ConsumerState(Lag(900), 0, 1, "c1")}

    def step(oldest: float) -> str:
        world.sequence += 1
        world.facts = {"processed": world.sequence, "last_progress_at": world.now}
        state = bus()
        if oldest:
            state = msgspec.structs.replace(state, consumers={**state.consumers, **lag})
        world.observer.oldest = {name: oldest} if oldest else {}
        return world.step(1.0, state).components["canary"].verdict.status

    assert {step(began - 400 + second) for second in range(300)} == {"healthy"}
    assert {step(began + 2) for _ in range(60)} == {"healthy"}  # its own message is in hand
    assert {step(0.0) for _ in range(15)} == {"healthy"}
    assert [step(0.0) for _ in range(12)][-1] == "unhealthy"
    world.observer.canary = CanaryState(30.0, 5, 4, 0, world.now - 100, began, 1.0, world.now - 100)
    assert [step(world.now - 200) for _ in range(5)][-1] == "healthy"
    world.silent = {Stage.EMBEDDER}  # it is not its turn that it waits for
    assert [step(world.now - 200) for _ in range(30)][-1] == "unhealthy"


def test_the_start_of_nats_is_the_start_of_the_grace() -> None:
    fresh = Observer(NOW, 45.0)
    for second in range(60):
        fresh.probed(BusState(error="refused"), NOW + second)
        fresh.database("", NOW + second)
        Judge(fresh).snapshot(NOW + second)
    fresh.probed(bus(), NOW + 60)
    fresh.clock.tick(NOW + 66)
    fresh.clock.tick(NOW + 72)
    assert verdict_of(fresh, Stage.WRITER).status is Status.UNKNOWN


def test_a_pause_of_the_machine_is_no_silence(world: World) -> None:
    """18 s of a snapshot of the virtual machine, after a beat of 4 s ago."""
    world.silent = set(Stage)
    world.steps(4, state=bus(lag=5))
    world.now += 18
    assert world.steps(4, state=bus(lag=5)).status is Status.HEALTHY


def test_a_dead_stage_is_told_at_once_though_it_was_told_well_a_minute_ago(world: World) -> None:
    alerts = Alerts("degraded", 300.0)
    alerts.restore([AlertDelivered("writer", "healthy", world.now - 10, reason=Reason.INSTANCE_CRASHED)])
    world.facts = {"processed": 0, "consecutive_failures": 9}
    sent = [alert for _ in range(3) for alert in alerts.due(world.step())]
    assert ("writer", "unhealthy") in [(alert.component, alert.status) for alert in sent]


def test_unknown_is_no_recovery_to_be_told(world: World) -> None:
    alerts = Alerts("unhealthy", 0.0)
    world.silent = {Stage.WRITER}
    sent = [alert for _ in range(14) for alert in alerts.due(world.step(10.0))]
    assert [alert.component for alert in sent] == ["writer"]
    sent = [alert for _ in range(5) for alert in alerts.due(world.step(state=BusState(error="gone")))]
    assert [(alert.component, alert.resolved) for alert in sent] == [("bus", False)]


def test_eviction_and_a_recreated_consumer_are_noticed(world: World) -> None:
    world.step(state=bus(lag=50, floor=10))
    snapshot = world.step(state=bus(lag=30, floor=30, first=31))
    assert snapshot.components["writer"].verdict.reason == "MessagesEvicted"
    assert snapshot.components["writer"].verdict.cause.startswith("20 messages left")
    other = World()
    other.steps(3)
    snapshot = other.steps(2, state=bus(lag=90, floor=0, created="c2"))
    assert snapshot.components["embedder"].verdict.reason == "ConsumerRecreated"


def test_a_vanished_instance_is_forgiven_when_another_took_its_place(world: World) -> None:
    world.facts = {}
    world.silent = {Stage.EMBEDDER}
    for number in range(130):
        world.now += 1
        for stage in (Stage.WATCHER, Stage.WRITER):
            world.beat(stage)
        new = {"instance": "embedder-1", "boot_id": "x", "sequence": 1000 + number, "uptime_seconds": float(number)}
        world.beat(Stage.EMBEDDER, **new)
        world.observer.probed(bus(), world.now)
        world.observer.database("", world.now)
        snapshot = world.judge.snapshot(world.now)
        if number == 100:
            assert snapshot.components["embedder"].verdict.reason == "InstanceVanished"
    assert snapshot.components["embedder"].verdict.status is Status.HEALTHY
    assert list(snapshot.windows[Stage.EMBEDDER].alive) == ["embedder-1"]


def test_a_restarted_health_service_knows_what_it_knew(world: World) -> None:
    world.observer.beat(beat(stage=Stage.WRITER, instance="writer-0", boot_id="b9", uptime_seconds=1.0), world.now)
    world.observer.beat(beat(7, stage=Stage.WRITER, instance="writer-0", boot_id="b9", sequence=2), world.now)
    state = kept(world.observer)
    assert state.failures == {"writer.writer-0": 8}
    world.steps(3)
    fresh = Judge(Observer(world.now, 45.0))
    fresh.restore(world.changes)
    # the stream has dropped the heartbeats of the first boot; the state still tells of it
    fresh.observer.beat(beat(7, stage=Stage.WRITER, instance="writer-0", boot_id="b9", sequence=2), world.now)
    fresh.observer.inherit(msgspec.structs.replace(state, at=world.now))
    assert fresh.observer.instances.of[Stage.WRITER]["writer-0"].failures == 8
    later = Judge(Observer(world.now, 45.0))  # nobody watched in between: what was shown then says nothing
    later.restore(world.changes, shown=False)
    assert len(later.changes) == len(world.changes)
    assert {held.shown.reason for held in later.held.values()} == {"Starting"}
    for name, held in world.judge.held.items():
        assert (fresh.held[name].shown.status, fresh.held[name].since) == (held.shown.status, held.since), name


def test_dead_letters_are_of_their_stage_and_of_concern_for_ten_minutes(world: World) -> None:
    facts = ("x", "TRANSCRIPTS", 5, 6, "error", "", "embedder-0", world.now, 10, "{}")
    world.observer.dead_letters[1] = KeptLetter(1, "embedder", *facts)
    snapshot = world.steps(2)
    assert snapshot.components["embedder"].verdict.reason == "DeadLettersGrew"
    assert snapshot.components["writer"].verdict.status is Status.HEALTHY
    assert world.steps(130, 5.0).components["embedder"].verdict.status is Status.HEALTHY


def test_the_published_instance_names_survive_a_beat_on_the_wire() -> None:
    assert msgspec.json.decode(msgspec.json.encode(beat()), type=Heartbeat) == beat()
    assert isinstance(fold(None, beat(), NOW), Instance)


# --- alerts -------------------------------------------------------------------------------------------------------


def test_alerts_are_told_once_damped_and_resolved(world: World) -> None:
    alerts = Alerts("degraded", 300.0)
    sent = alerts.due(world.step())
    for _ in range(10):
        sent += alerts.due(world.step(database="refused"))
    assert [(alert.component, alert.status, alert.resolved) for alert in sent] == [("database", "unhealthy", False)]
    for _ in range(30):  # back, but the interval is not over
        sent += alerts.due(world.step())
    assert len(sent) == 1
    for _ in range(60):
        sent += alerts.due(world.step(5.0))
    assert [(alert.component, alert.status, alert.resolved) for alert in sent[1:]] == [("database", "healthy", True)]
    assert 10 <= sent[1].seconds < 20  # the fault's, though people hear of its end later


def test_a_flicker_within_the_interval_is_one_alert(world: World) -> None:
    alerts, sent = Alerts("degraded", 300.0), []
    for number in range(200):
        sent += alerts.due(world.step(database="refused" if number % 20 < 5 else ""))
    assert len(sent) == 1


def test_graver_is_told_at_once_and_the_least_status_counts(world: World) -> None:
    world.facts = {"processed": 0, "consecutive_failures": 1}
    alerts, grave, sent, only = Alerts("degraded", 300.0), Alerts("unhealthy", 300.0), [], []
    for count in (1, 1, 1, 6, 6, 6):
        world.facts = {"processed": 0, "consecutive_failures": count}
        snapshot = world.step()
        sent += [(alert.component, alert.status) for alert in alerts.due(snapshot)]
        only += [(alert.component, alert.status) for alert in grave.due(snapshot)]
    assert sent == [(s, "degraded") for s in ("watcher", "embedder", "writer")] + [
        (s, "unhealthy") for s in ("watcher", "embedder", "writer")
    ]
    assert only == [(s, "unhealthy") for s in ("watcher", "embedder", "writer")]


def told(*alerts: Alert) -> list[AlertDelivered]:
    """As the stream holds what people got."""
    return [AlertDelivered(one.component, one.status, one.at, one.fault_since, one.reason) for one in alerts]


def test_a_restart_tells_nothing_again_and_forgets_nothing_untold(world: World) -> None:
    before = Alerts("degraded", 300.0)
    sent = [alert for _ in range(5) for alert in before.due(world.step(database="refused"))]
    again = Alerts("degraded", 300.0)
    again.restore(told(*sent))
    assert again.due(world.step(database="refused")) == []
    untold = Alerts("degraded", 300.0)  # nobody got it: no receiver was set, or none took it
    assert [alert.component for alert in untold.due(world.step(database="refused"))] == ["database"]
    world.steps(3)  # well again, within the interval: the restarted service owes people that news
    late = [alert for _ in range(310) for alert in again.due(world.step())]
    assert [(alert.component, alert.resolved) for alert in late] == [("database", True)]
    assert 5 <= late[0].seconds <= 20  # how long the fault lasted, not how long the message had to wait


def test_what_this_process_has_told_is_newer_than_what_the_stream_tells(world: World) -> None:
    alerts = Alerts("unhealthy", 300.0)
    lost = BusState(error="gone")
    sent = [alert for _ in range(3) for alert in alerts.due(world.step(state=lost))]
    assert [alert.component for alert in sent] == ["bus"]
    alerts.restore([AlertDelivered("bus", "healthy", world.now - 900, reason=Reason.BUS_UNREACHABLE)])
    late = [alert for _ in range(310) for alert in alerts.due(world.step())]
    assert [(alert.component, alert.resolved) for alert in late] == [("bus", True)]


def test_changes_of_the_past_come_before_those_of_this_process(world: World) -> None:
    """The bus was away when it began: it has judged and told before it could read what was."""
    fresh = Judge(Observer(world.now, 45.0))
    fresh.observer.probed(BusState(error="gone"), world.now)
    fresh.observer.database("", world.now)
    fresh.snapshot(world.now)
    mine = list(fresh.changes)
    assert mine
    past = [changed("bus", "unhealthy", "healthy", Reason.BUS_UNREACHABLE, world.now - 60)]
    fresh.restore(past)
    assert list(fresh.changes) == past + mine
    assert fresh.held["bus"].shown.status is Status.UNHEALTHY


def test_a_retry_is_under_way_at_once_and_once(world: World) -> None:
    facts = ("x", "TRANSCRIPTS", 5, 6, "error", "", "embedder-0", world.now, 10, "{}")
    world.observer.dead_letters[1] = KeptLetter(1, "embedder", *facts, retry="it failed again")
    snapshot, asked = world.step(), DeadLetterRequests()

    def shown() -> str:
        return bodies.deadletters(snapshot, None, 20, 0, asked.pending).deadletters[0].retry

    assert shown() == "it failed again"
    assert [asked.ask(1) for _ in range(3)] == [True] * 3
    assert (asked.queue.qsize(), shown()) == (1, "pending")
    assert [asked.ask(number) for number in range(2, QUEUE + 2)] == [True] * (QUEUE - 1) + [False]


@pytest.mark.parametrize(
    ("first", "last", "gone", "newest_three"),
    [
        (1, 5, set(), {3, 4, 5}),
        (1, 9, {8, 7, 5}, {9, 6, 4}),
        (1, 5000, set(range(4, 5001)), {1, 2, 3}),
        (7, 7, set(), {7}),
        (9, 8, set(), set()),
    ],
)
def test_the_newest_letters_are_those_that_are_there(
    first: int, last: int, gone: set[int], newest_three: set[int]
) -> None:
    messages = last - first + 1 - len(gone)
    assert newest(StreamState(messages, 0, -1, first, last), gone, 3) == newest_three
