"""Three stages with one instance each, and a clock that the test moves."""

from __future__ import annotations

import msgspec

from mnemostream.contracts.events import AlertDelivered, HealthChanged, Heartbeat, Stage
from mnemostream.contracts.reasons import Reason
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.memory import HealthState
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.table import judge
from mnemostream.services.health.judge.rules.verdict import Verdict
from mnemostream.services.health.judge.snapshot import Snapshot
from mnemostream.services.health.judge.window import BusState, ConsumerState, Lag, StreamState
from mnemostream.services.health.notify.alerts import Alert
from tests.unit.health_windows import NOW, beat

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


def told(*alerts: Alert) -> list[AlertDelivered]:
    """As the stream holds what people got."""
    return [AlertDelivered(one.component, one.status, one.at, one.fault_since, one.reason) for one in alerts]
