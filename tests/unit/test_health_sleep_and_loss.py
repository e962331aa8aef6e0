"""Folding: failures over restarts, goodbyes, sleep, a lost bus, our own restart; hysteresis; alerts."""

from __future__ import annotations

import msgspec
import pytest

from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.health.judge.beats import fold
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.verdict import Status
from mnemostream.services.health.judge.snapshot import KeptLetter
from mnemostream.services.health.judge.window import BusState, CanaryState, ConsumerState, Lag
from mnemostream.services.health.notify.alerts import Alerts
from tests.unit.health_windows import NOW, beat, one
from tests.unit.health_world import World, bus, changed, kept, verdict_of


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
