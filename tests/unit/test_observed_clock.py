"""The observed clock stands still while nobody could be heard, and turns wall times into its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.services.health.judge.clock import SLEPT_SECONDS, ObservedClock

START = 1_000_000.0
LOOK = st.tuples(st.just("look"), st.floats(0.1, SLEPT_SECONDS))
SLEEP = st.tuples(st.just("sleep"), st.floats(SLEPT_SECONDS + 0.1, 1e6))
SET_BACK = st.tuples(st.just("set back"), st.floats(-1e5, -1.1))
AWAY = st.tuples(st.just("away"), st.floats(0.1, 1e4))
STORIES = st.lists(st.one_of(LOOK, LOOK, SLEEP, SET_BACK, AWAY), max_size=30)


def run(story: list[tuple[str, float]]) -> tuple[ObservedClock, float, list[tuple[float, float]]]:
    """The clock after the story, seconds that were observed, and (wall, observed) of every look."""
    clock, wall, seen, looks = ObservedClock(START), START, 0.0, []
    for what, seconds in story:
        clock.away = what == "away"
        wall += seconds
        clock.tick(wall)
        clock.away = False
        seen += seconds if what == "look" else 0.0
        if what == "set back":
            looks = [(at + seconds, observed) for at, observed in looks]  # the wall clock's frame has changed
        looks.append((wall, clock.now))
    return clock, seen, looks


@given(STORIES)
def test_only_time_in_which_somebody_looked_counts(story: list[tuple[str, float]]) -> None:
    clock, seen, _ = run(story)
    assert clock.now - START == pytest.approx(seen, abs=1e-3)
    assert clock.observed(clock.wall) == pytest.approx(clock.now, abs=1e-3)


@given(STORIES)
def test_a_moment_of_the_past_has_the_observed_time_that_it_had(story: list[tuple[str, float]]) -> None:
    clock, _, looks = run(story)
    for wall, observed in looks:
        assert clock.observed(wall) == pytest.approx(observed, abs=1e-3)


@given(STORIES, st.floats(0, 1e6))
def test_what_came_later_is_never_earlier(story: list[tuple[str, float]], ago: float) -> None:
    clock, _, _ = run(story)
    earlier, later = clock.observed(clock.wall - ago - 5), clock.observed(clock.wall - ago)
    assert earlier <= later <= clock.now + 1e-3
    assert clock.wall_time(later) <= clock.wall + 1e-3


def test_an_outage_of_many_looks_is_one_gap() -> None:
    clock = ObservedClock(START)
    clock.away = True
    for second in range(1, 5000):
        clock.tick(START + second)
    assert clock.now == START
    assert clock.observed(START + 2500) == START
    assert clock.observed(START - 60) == START - 60
