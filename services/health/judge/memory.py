"""What the health service must know over its restarts, kept in a JetStream key-value bucket. Pure.

Heartbeats and status changes are in their streams; this is the rest: what was counted over restarts of instances that
have beaten too seldom since, goodbyes that the stream of heartbeats has dropped, messages that were evicted.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mnemostream.contracts.events import Stage
from mnemostream.services.health.judge.instances import Instances
from mnemostream.services.health.judge.snapshot import STAGES


class Eviction(msgspec.Struct, frozen=True):
    """Messages that left a stream before a consumer had processed them."""

    at: float
    """Unix time."""
    cause: str


class HealthState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value in the bucket, as of `at` (Unix time). Instances are named `<stage>.<instance>`."""

    at: float = 0.0
    failures: dict[str, int] = {}
    """Consecutive failures over restarts, where there are any."""
    forgiven: dict[str, int] = {}
    """Those of the running process that are history."""
    goodbyes: dict[Stage, float] = {}
    """Unix time at which the last instance of a stage said goodbye."""
    evicted: dict[str, Eviction] = {}
    """By consumer, `<stream>.<name>`."""
    version: Literal[1] = 1


def failures_of(instances: Instances) -> tuple[dict[str, int], dict[str, int]]:
    """`failures` and `forgiven` as they are now."""
    known = {f"{stage}.{name}": instance for stage in STAGES for name, instance in instances.of[stage].items()}
    failures = {name: instance.failures for name, instance in known.items() if instance.failures}
    return failures, {name: instance.forgiven for name, instance in known.items() if instance.forgiven}
