"""The numbered rules of docs/status.md, with the published table exact at its boundaries."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Heartbeat, Phase, Stage
from services.health.rules import SEVERITY, judge
from services.health.snapshot import Held
from services.health.window import Instance, Lag, Sample, StageWindow, fold

NOW = 100_000.0


def beat(age: float = 0.0, failures: int = 0, **more: object) -> Heartbeat:
    facts = {
        "stage": Stage.WRITER,
        "instance": "w",
        "boot_id": "b1",
        "sequence": 1,
        "sent_at": NOW - age,
        "phase": Phase.RUNNING,
        "interval_seconds": 5.0,
        "uptime_seconds": 10.0,
        "pid": 1,
        "service_version": "0",
        "consecutive_failures": failures,
        "last_progress_at": NOW - 1,
    }
    return Heartbeat(**{**facts, **more})  # type: ignore[arg-type]


def window(one: Heartbeat | None = None, samples: list[Sample] | None = None, **more: object) -> StageWindow:
    instances = {one.instance: Instance(one)} if one else {}
    facts = {"stage": Stage.WRITER, "instances": instances, "samples": samples or [], "started": 0.0, "grace": 45.0}
    return StageWindow(**{**facts, **more})  # type: ignore[arg-type]


def waiting(processed_step: int) -> list[Sample]:
    return [Sample(NOW - 34 + 2 * n, Lag(9), processed_step * n) for n in range(18)]


# To add a row: rule, why the row is here, the window, the status.
PROOF = [
    ("6", "fresh beat", window(beat(0)), "healthy"),
    ("6", "just below 60 s", window(beat(59)), "healthy"),
    ("6", "60 s is degraded", window(beat(60)), "degraded"),
    ("6", "61 s", window(beat(61)), "degraded"),
    ("6", "119 s", window(beat(119)), "degraded"),
    ("6", "120 s is still degraded", window(beat(120)), "degraded"),
    ("6", "over 120 s", window(beat(121)), "unhealthy"),
    ("6", "no failure", window(beat(failures=0)), "healthy"),
    ("6", "one failure", window(beat(failures=1)), "degraded"),
    ("6", "four failures", window(beat(failures=4)), "degraded"),
    ("6", "five failures", window(beat(failures=5)), "unhealthy"),
    ("1", "unknown is not healthy", window(beat(), bus_error="timeout"), "unknown"),
    ("2", "the writer needs the database", window(beat(), database_error="refused"), "unhealthy"),
    ("2", "the others do not", window(beat(), stage=Stage.WATCHER, database_error="refused"), "healthy"),
    ("3", "a deleted consumer looks idle", window(beat(), wiring_error="consumer is missing"), "unhealthy"),
    ("4", "nobody beats", window(), "unhealthy"),
    ("4", "we have only begun to listen", window(started=NOW - 10), "unknown"),
    ("4", "all said goodbye", window(beat(phase=Phase.STOPPED)), "unhealthy"),
    ("5", "beats, but nothing finishes", window(beat(last_progress_at=NOW - 90), waiting(0)), "unhealthy"),
    ("5", "draining is healthy", window(beat(last_progress_at=NOW - 90), waiting(1)), "healthy"),
    ("5", "slow but finishing parts", window(beat(last_progress_at=NOW - 5), waiting(0)), "healthy"),
    ("7", "a new dead letter", window(beat(), dead_letters_recent=1), "degraded"),
    ("8", "idle is healthy", window(beat(last_progress_at=0.0)), "healthy"),
]


@pytest.mark.parametrize(("w", "status"), [row[2:] for row in PROOF], ids=[f"rule {r[0]}: {r[1]}" for r in PROOF])
def test_proof_table(w: StageWindow, status: str) -> None:
    assert judge(w, NOW).status == status


@given(st.floats(0, 500), st.floats(0, 500), st.integers(0, 9), st.integers(0, 9))
def test_older_beats_and_more_failures_never_improve_a_status(a: float, b: float, f: int, g: int) -> None:
    better = judge(window(beat(min(a, b), min(f, g))), NOW).status
    worse = judge(window(beat(max(a, b), max(f, g))), NOW).status
    assert SEVERITY[worse] >= SEVERITY[better]


def test_a_crash_loop_cannot_reset_the_count() -> None:
    one = Instance(beat())
    for boot in range(5):
        one = fold(one, beat(boot_id=f"boot {boot}", sent_at=NOW + boot))
    assert one.failures == 5
    assert judge(window(one.beat, instances={"w": one}), NOW + 5).status == "unhealthy"


def test_a_success_or_a_goodbye_ends_the_count() -> None:
    crashed = fold(Instance(beat(failures=3)), beat(boot_id="b2", sent_at=NOW + 1))
    assert crashed.failures == 4
    assert fold(crashed, beat(boot_id="b2", sequence=2, sent_at=NOW + 2, processed=1)).failures == 0
    asked = fold(Instance(beat(phase=Phase.STOPPED)), beat(boot_id="b2", sent_at=NOW + 1))
    assert asked.failures == 0


def test_worse_shows_after_two_looks_and_better_after_three() -> None:
    held = Held()
    good, bad = judge(window(beat(0)), NOW), judge(window(beat(90)), NOW)
    shown = [held.take(verdict, NOW).status for verdict in (good, bad, bad, good, good, good)]
    assert shown == ["healthy", "healthy", "degraded", "degraded", "degraded", "healthy"]


def test_a_lost_bus_shows_at_once() -> None:
    held = Held()
    held.take(judge(window(beat(0)), NOW), NOW)
    assert held.take(judge(window(beat(0), bus_error="gone"), NOW), NOW).status == "unknown"


def test_a_beat_survives_the_wire() -> None:
    assert msgspec.json.decode(msgspec.json.encode(beat()), type=Heartbeat) == beat()
