"""Portions: all workers finish at about the same time, whatever a message costs; and a lone one is not slowed down."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts import topology
from mnemostream.contracts.events import Phase, Stage
from mnemostream.runtime.delivery.peers import UNHEARD, Peers
from mnemostream.runtime.delivery.portion import Portion
from tests.unit.health_windows import beat

SECONDS = topology.EMBEDDER.portion_seconds
COSTS = st.lists(st.floats(0.01, 0.5), min_size=25, max_size=400)


def finished(costs: list[float], workers: int, most: int = 24) -> tuple[list[float], list[int]]:
    """When each worker ends and how much it did, if they take turns as the server serves them."""
    waiting = list(costs)
    portions = [Portion(most, SECONDS) for _ in range(workers)]
    due = [(0.0, number) for number in range(workers)]
    ends, counts = [0.0] * workers, [0] * workers
    while waiting:
        now, number = heapq.heappop(due)
        size = portions[number].size(workers)
        assert 1 <= size <= most
        taken = [waiting.pop() for _ in range(min(size, len(waiting)))]
        portions[number].done(len(taken), len(waiting), sum(taken))
        ends[number], counts[number] = now + sum(taken), counts[number] + len(taken)
        heapq.heappush(due, (ends[number], number))
    return ends, counts


@given(COSTS, st.integers(2, 8))
def test_nobody_holds_what_others_could_do(costs: list[float], workers: int) -> None:
    ends, _ = finished(costs, workers)
    # List scheduling ends within one piece of the ideal; a piece here is half a share of what is left, or one message.
    piece = max(max(costs), min(1.25 * SECONDS, sum(costs) / workers / 2))
    assert max(ends) <= sum(costs) / workers + piece


def test_equal_messages_make_equal_shares() -> None:
    for count in (100, 1000):
        ends, counts = finished([0.2] * count, 8)
        assert max(ends) <= 0.2 * count / 8 * 1.15
        assert max(counts) <= count / 8 * 1.2
        assert min(counts) >= count / 8 * 0.8


def test_much_work_is_taken_in_large_pieces() -> None:
    portion = Portion(24, 2.0)
    assert portion.size(4) == 1  # after a rest: what waits is not known
    portion.done(1, 1000, 0.01)
    assert portion.size(4) == 24
    portion.done(24, 1000, 24 * 1.0)  # dear ones: a portion is no more than its seconds
    assert portion.size(4) < 8
    portion.done(2, 6, 0.02)
    assert portion.size(4) == 1


def test_who_is_alone_takes_whole_batches() -> None:
    portion = Portion(24, 2.0)
    portion.done(1, 0, 0.15)
    assert portion.size(1) == 24
    assert portion.size(2) == 1
    portion.done(1, 0, 60.0)
    assert portion.size(1) == 1


def test_without_a_limit_a_batch_is_a_batch() -> None:
    assert Portion(24, 0.0).size(8) == 24


def test_peers_are_those_that_were_heard_lately() -> None:
    peers = Peers(100.0, 5.0)
    assert peers.count(101.0) == UNHEARD  # nobody had time to be heard
    for name in ("a", "b"):
        peers.heard(beat(stage=Stage.EMBEDDER, instance=name), 102.0)
    assert peers.count(106.0) == 2
    peers.heard(beat(stage=Stage.EMBEDDER, instance="b", phase=Phase.DRAINING), 107.0)
    assert peers.count(107.0) == 1
    assert peers.count(500.0) == 1  # oneself
