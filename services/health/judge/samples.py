"""Samples of each stage's lag, one with every look at the bus, and of the rows that the database lacks, one with every
count. Pure but for their state."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnemostream.contracts import topology
from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.sources import CANARY
from mnemostream.contracts.vitals import WatcherVitals, total
from mnemostream.services.health.judge.instances import Instances
from mnemostream.services.health.judge.snapshot import STAGES
from mnemostream.services.health.judge.trends import MINUTES
from mnemostream.services.health.judge.window import SAMPLES_SECONDS, BusState, Lag, Sample, throughput

IMPORT_BYTES = topology.EVENT_BUDGET
"""A watcher with a larger backlog is importing."""
MINUTE = 60.0
PACE_SECONDS = 10.0
"""Least time over which the pace of one instance is measured."""


class Samples:
    """All times are observed time."""

    def __init__(self, started: float) -> None:
        self._of: dict[Stage, deque[Sample]] = {stage: deque() for stage in STAGES}
        self._minima: dict[Stage, deque[int]] = {stage: deque(maxlen=MINUTES) for stage in STAGES}
        self._minimum_at = started
        self._imported_at = float("-inf")
        self.eta_seconds = 600.0
        """The time in which people want a backlog cleared."""
        self._pace: dict[Stage, float] = {}
        """Messages per second of one instance, as last seen while work waited all the time."""
        self._ran: dict[Stage, tuple[int, float]] = dict.fromkeys(STAGES, (0, started))
        """Instances that run, and since when they are so many."""

    def desired(self, stage: Stage) -> int | None:
        """Embedders that clear what waits within `eta_seconds`; one for searches if nothing waits. None for other
        stages, and while nobody knows what one of them does."""
        waits = self._of[stage][-1].lag.total if self._of[stage] else 0
        if stage is not Stage.EMBEDDER or (waits and stage not in self._pace):
            return None
        return max(1, math.ceil(waits / (self._pace[stage] * self.eta_seconds))) if waits else 1

    def of(self, stage: Stage) -> Sequence[Sample]:
        """Those of the last two minutes, the newest last."""
        return tuple(self._of[stage])

    def minute_minima(self, stage: Stage) -> Sequence[int]:
        """The least lag of each of the last minutes, the newest last."""
        return tuple(self._minima[stage])

    def importing(self, now: float) -> bool:
        """The watcher has, or had a short while ago, a large backlog."""
        return now - self._imported_at < SAMPLES_SECONDS

    def take(self, now: float, bus: BusState, instances: Instances, lags: Mapping[Stage, Lag]) -> None:
        """One more sample of each stage."""
        for stage, samples in self._of.items():
            done, progress = instances.done[stage], instances.progress[stage]
            samples.append(Sample(now, lags[stage], done, progress, _saturated(stage, bus)))
            while now - samples[0].at > SAMPLES_SECONDS:
                samples.popleft()
            self._measure(stage, samples, sum(one.beat.phase is Phase.RUNNING for one in instances.of[stage].values()))
        if now - self._minimum_at >= MINUTE:
            self._minimum_at = now
            for stage, samples in self._of.items():
                last = [sample.lag.total for sample in samples if now - sample.at <= MINUTE]
                self._minima[stage].append(min(last))
        if lags[Stage.WATCHER].total >= IMPORT_BYTES:
            self._imported_at = now

    def _measure(self, stage: Stage, samples: deque[Sample], running: int) -> None:
        """Of the time in which work waited at every look, and as many ran as now."""
        self._ran[stage] = since = self._ran[stage] if self._ran[stage][0] == running else (running, samples[-1].at)
        while_so = [sample for sample in samples if sample.at >= since[1]]
        recent = list(itertools.takewhile(lambda sample: sample.lag.total, reversed(while_so)))[::-1]
        done = throughput(recent)
        if running and done and recent[-1].at - recent[0].at >= PACE_SECONDS:
            self._pace[stage] = done / running

    def clear(self, *stages: Stage) -> None:
        """What was seen before says nothing about these stages any more; none = all."""
        for stage in stages or STAGES:
            self._of[stage].clear()
            self._minima[stage].clear()


def _saturated(stage: Stage, bus: BusState) -> bool:
    consumers = [consumer for consumer in topology.CONSUMERS if consumer.stage is stage]
    known = [(bus.consumers.get(f"{consumer.stream}.{consumer.name}"), consumer) for consumer in consumers]
    return any(state is not None and state.lag.ack_pending >= consumer.max_ack_pending for state, consumer in known)


def published(watchers: Iterable[WatcherVitals]) -> dict[str, int]:
    """Bytes that the log has acknowledged, by source."""
    return {name: of.published_bytes or 0 for name, of in total(watchers, without=CANARY).sources.items()}


class MissingRows:
    """Fed with every count of the database's rows."""

    def __init__(self) -> None:
        self.bytes = 0
        """Missing at the last count, though no message waited that could bring them."""
        self.since = 0.0
        """Observed time of the first of the counts in a row that missed some."""
        self.at = 0.0
        """And of the last one."""

    def take(
        self, published: Mapping[str, int], stored: Iterable[Mapping[str, Any]], explained: object, now: float
    ) -> None:
        """One count. `published` was told before it; `explained` is true if messages wait or were given up."""
        rows = {row["source"]: int(row["stored_bytes"]) for row in stored}
        missing = sum(max(0, size - rows.get(source, 0)) for source, size in published.items())
        if explained or not missing:
            self.bytes, self.since, self.at = 0, now, now
        else:
            self.since = self.since if self.bytes else now
            self.bytes, self.at = missing, now

    @property
    def seconds(self) -> float:
        """For how long some were missing, up to the last count."""
        return self.at - self.since if self.bytes else 0.0
