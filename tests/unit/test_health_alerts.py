"""Folding: failures over restarts, goodbyes, sleep, a lost bus, our own restart; hysteresis; alerts."""

from __future__ import annotations

import json

import msgspec
import pytest

from mnemostream.contracts.events import AlertDelivered, Heartbeat, Stage
from mnemostream.contracts.reasons import NEXT_STEPS, Reason
from mnemostream.services.health.http.bodies import archive as bodies
from mnemostream.services.health.judge.beats import Instance, fold
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.verdict import Status
from mnemostream.services.health.judge.snapshot import KeptLetter
from mnemostream.services.health.judge.window import BusState, StreamState
from mnemostream.services.health.notify.alerts import Alert, Alerts
from mnemostream.services.health.notify.webhooks import body
from mnemostream.services.health.observe.dead_letters import QUEUE, DeadLetterRequests, newest
from tests.unit.health_windows import NOW, beat
from tests.unit.health_world import World, bus, changed, kept, told


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


def test_people_are_told_what_to_do_next_in_the_words_of_the_api() -> None:
    step = NEXT_STEPS[Reason.FAILING]
    alert = Alert("1", "writer", "degraded", "healthy", Reason.FAILING, "<1 failure", 1.0, False, 0.0, next_step=step)
    said = {kind: json.dumps(body(kind, alert), ensure_ascii=False) for kind in ("json", "slack", "discord")}
    assert all(step in text for text in said.values()), said
    assert "&lt;1 failure" in said["slack"]
