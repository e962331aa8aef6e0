"""Samples of each stage's lag, one with every look at the bus. Pure but for its state."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from contracts import topology
from contracts.events import Stage
from services.health.judge.instances import Instances
from services.health.judge.snapshot import STAGES
from services.health.judge.trends import MINUTES
from services.health.judge.window import SAMPLES_SECONDS, BusState, Lag, Sample

IMPORT_BYTES = topology.EVENT_BUDGET
"""A watcher with a larger backlog is importing."""
MINUTE = 60.0


class Samples:
    """All times are observed time."""

    def __init__(self, started: float) -> None:
        self._of: dict[Stage, deque[Sample]] = {stage: deque() for stage in STAGES}
        self._minima: dict[Stage, deque[int]] = {stage: deque(maxlen=MINUTES) for stage in STAGES}
        self._minimum_at = started
        self._imported_at = float("-inf")

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
        if now - self._minimum_at >= MINUTE:
            self._minimum_at = now
            for stage, samples in self._of.items():
                last = [sample.lag.total for sample in samples if now - sample.at <= MINUTE]
                self._minima[stage].append(min(last))
        if lags[Stage.WATCHER].total >= IMPORT_BYTES:
            self._imported_at = now

    def clear(self, *stages: Stage) -> None:
        """What was seen before says nothing about these stages any more; none = all."""
        for stage in stages or STAGES:
            self._of[stage].clear()
            self._minima[stage].clear()


def _saturated(stage: Stage, bus: BusState) -> bool:
    consumers = [consumer for consumer in topology.CONSUMERS if consumer.stage is stage]
    known = [(bus.consumers.get(f"{consumer.stream}.{consumer.name}"), consumer) for consumer in consumers]
    return any(state is not None and state.lag.ack_pending >= consumer.max_ack_pending for state, consumer in known)
