"""How many embedders clear a backlog in the wanted time: by the measured pace of one."""

from __future__ import annotations

from mnemostream.contracts.events import Stage
from mnemostream.services.health.judge.instances import Instances
from mnemostream.services.health.judge.samples import Samples
from mnemostream.services.health.judge.snapshot import STAGES
from mnemostream.services.health.judge.window import BusState, Lag
from tests.unit.health_windows import beat

EACH = 3
"""Messages a second of one embedder."""


class Told:
    """Embedders at work, seen once a second."""

    def __init__(self) -> None:
        self.now, self.done = 0.0, 0
        self.instances = Instances()
        self.samples = Samples(0.0)

    def sees(self, seconds: int, embedders: int, waiting: int) -> int | None:
        for _ in range(seconds):
            self.now += 1
            self.done += EACH if waiting else 0
            for number in range(embedders):
                told = beat(
                    stage=Stage.EMBEDDER, instance=f"embedder-{number}", processed=self.done, sequence=int(self.now)
                )
                self.instances.beat(told, self.now)
            lags = dict.fromkeys(STAGES, Lag()) | {Stage.EMBEDDER: Lag(waiting)}
            self.samples.take(self.now, BusState(), self.instances, lags)
        return self.samples.desired(Stage.EMBEDDER)


def test_it_follows_the_backlog_by_the_pace_of_one() -> None:
    told = Told()
    told.samples.eta_seconds = 100.0
    assert told.sees(5, 1, 0) == 1  # nothing waits; a search needs one
    assert told.sees(5, 1, 3000) is None  # not measured yet
    assert told.sees(10, 1, 3000) == 10
    assert told.sees(3, 2, 3000) == 10  # a second one has only just come
    assert told.sees(20, 2, 3000) == 10
    assert told.sees(1, 2, 301) == 2
    assert told.sees(1, 2, 1) == 1
    assert told.sees(200, 2, 0) == 1
    assert told.sees(1, 2, 3000) == 10  # the pace is remembered
    assert told.samples.desired(Stage.WRITER) is None
