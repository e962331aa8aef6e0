"""Folding: failures over restarts, goodbyes, sleep, a lost bus, our own restart; hysteresis; alerts."""

from __future__ import annotations

import msgspec
import pytest

from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals
from mnemostream.services.health.judge.beats import fold
from mnemostream.services.health.judge.held import Held
from mnemostream.services.health.judge.instances import MOST_INSTANCES, is_valid
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.table import judge
from mnemostream.services.health.judge.rules.verdict import Status, Verdict
from mnemostream.services.health.judge.window import BusState
from tests.unit.health_windows import NOW, beat, one, window
from tests.unit.health_world import World, bus, verdict_of


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
    assert f"embedder: more than {MOST_INSTANCES} instances send heartbeats; the others are not tracked" in issues
    world.steps(130)  # those are gone
    world.beat(Stage.EMBEDDER, instance="another")
    assert "another" in world.observer.instances.of[Stage.EMBEDDER]
    assert not any("are not tracked" in issue for issue in world.step().issues)


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
