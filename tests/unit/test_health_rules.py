"""The rules of docs/status.md: the proof table, the published table at its boundaries, total and monotone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.services.health.judge.beats import Instance
from mnemostream.services.health.judge.rules.canary import judge_canary
from mnemostream.services.health.judge.rules.impaired import silent_instances
from mnemostream.services.health.judge.rules.table import RULES, judge
from mnemostream.services.health.judge.rules.verdict import SEVERITY, Status
from mnemostream.services.health.judge.trends import eta, stalled_seconds, trend
from mnemostream.services.health.judge.window import CanaryState, Lag, Sample, StageWindow
from tests.unit.health_windows import (
    CASES,
    NOW,
    PROOF,
    PUBLISHED,
    ages,
    failing,
    many,
    older,
    one,
    waiting,
    window,
    windows,
    words,
)


@pytest.mark.parametrize(
    ("reason", "w", "status"), [(r[0], *r[2:]) for r in PROOF], ids=[f"{r[0]}: {r[1]}" for r in PROOF]
)
def test_proof_table(reason: str, w: StageWindow, status: str) -> None:
    verdict = judge(w, NOW)
    assert (verdict.reason, verdict.status) == (reason, status), verdict
    assert verdict.cause


@pytest.mark.parametrize(("instance", "status"), [r[1:] for r in PUBLISHED], ids=[r[0] for r in PUBLISHED])
@pytest.mark.parametrize("stage", [Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER])
def test_the_published_table(instance: Instance, status: str, stage: Stage) -> None:
    assert judge(window(instance, stage=stage), NOW).status == status


def test_every_rule_has_a_row() -> None:
    of_no_stage = {Reason.STARTING, Reason.CANARY}
    asked = [reason for reason, _ in RULES]
    assert len(asked) == len(set(asked))
    assert {row[0] for row in PROOF} == {*asked, Reason.HEALTHY} == {*Reason} - of_no_stage


@many
@given(windows, st.floats(0, 300), st.integers(0, 6), st.sampled_from(["a", "abc"]))
def test_total_and_monotone(w: StageWindow, by: float, more: int, whose: str) -> None:
    """There is always an answer with a cause; older beats and more failures of anybody never improve it. A goodbye
    is no sign of life: its age is not the age of a beat."""
    before = judge(w, NOW)
    assert before.status in set(Status)
    assert before.cause
    assert before.reason in set(Reason)
    stalled_seconds(w, NOW), eta(w), trend(w), w.lag_age(NOW)
    worse = {
        name: failing(older(one_, by), more) if name in whose and one_.beat.phase is not Phase.STOPPED else one_
        for name, one_ in w.instances.items()
    }
    after = judge(msgspec.structs.replace(w, instances=worse), NOW)
    assert SEVERITY[after.status] >= SEVERITY[before.status], (before, after)


@settings(many, max_examples=min(CASES, 2000))
@given(windows)
def test_no_rule_hides_the_published_table(w: StageWindow) -> None:
    """What the table calls unhealthy or degraded is never shown as better, whatever other rules say."""
    age = w.age(NOW)
    verdict = judge(w, NOW)
    if age is not None and (w.failures >= 5 or age > 120):
        assert verdict.status in ("unhealthy", "unknown"), verdict
    elif age is not None and (w.failures or age >= 60):
        assert verdict.status != "healthy", verdict


@given(ages, ages, st.floats(1, 60), words)
def test_the_canary_is_total_and_monotone(a: float, b: float, period: float, error: str) -> None:
    def status(waiting: float) -> int:
        canary = CanaryState(period, sent=3, arrived=2, last_arrived_at=1.0, waiting_since=NOW - waiting)
        return SEVERITY[judge_canary(canary, error, NOW).status]

    assert status(max(a, b)) >= status(min(a, b))


def test_the_canary_is_late_then_lost() -> None:
    def status(waiting: float) -> str:
        return judge_canary(CanaryState(30.0, waiting_since=NOW - waiting), "", NOW).status

    assert [status(age) for age in (1, 44, 45, 89, 90)] == ["healthy", "healthy", "degraded", "degraded", "unhealthy"]
    assert judge_canary(CanaryState(30.0, waiting_since=NOW - 300), "", NOW, ahead=900).status == "healthy"  # an import
    assert judge_canary(CanaryState(), "", NOW).cause == "off"
    assert judge_canary(CanaryState(30.0), "the bus is gone", NOW).status == "unknown"
    assert judge_canary(CanaryState(30.0, error="no folder"), "", NOW).status == "unhealthy"


def test_a_cause_says_what_waits_and_how_long_it_will_take() -> None:
    draining = judge(window(one(), samples=waiting(60, done=9, grows=-9), importing=True), NOW)
    assert draining.cause.startswith("catching up, about ")
    importing = judge(window(one(), samples=waiting(60, done=9, grows=5), importing=True), NOW)
    assert importing.cause.startswith("catching up, about ")  # by what is finished
    assert judge(window(one(last_progress_at=NOW - 7200)), NOW).cause == "idle for 2.0 h"


def test_who_fell_silent_is_not_counted_as_running() -> None:
    w = window(one(), one(age=25), one(age=31), samples=waiting())
    assert silent_instances(w, NOW) == ["w1", "w2"]
    assert silent_instances(window(one(), one(age=25), one(age=31)), NOW) == ["w2"]  # nothing waits


def test_where_the_lag_goes_is_told_by_its_last_samples() -> None:
    def lags(*values: int, done: float = 0.0) -> StageWindow:
        start = NOW - 2 * len(values)
        samples = tuple(Sample(start + 2 * n, Lag(lag), 0, done * n) for n, lag in enumerate(values))
        return window(one(), samples=samples)

    begun = lags(*range(0, 600, 100), *range(600, 400, -10), done=1)  # work came for 12 s, then it was less for 40 s
    assert trend(begun) == "draining"
    assert eta(begun) == pytest.approx(410 / 5)
    assert trend(lags(0, 1, *[1] * 20)) == "steady"  # nobody works on it, and no more comes
    assert trend(lags(600, *range(580, 280, -10), *[280] * 20, done=1)) == "draining"  # in the middle of a large piece
    assert trend(lags(*range(600, 300, -10), *range(300, 400, 5))) == "growing"
