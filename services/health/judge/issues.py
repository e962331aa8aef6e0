"""What is wrong or worth knowing, in sentences, root causes first, each once. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from contracts import topology
from contracts.events import Stage
from contracts.reasons import Reason
from services.health.judge.beats import Instance
from services.health.judge.instances import MOST_INSTANCES
from services.health.judge.rules.impaired import AGE_DEGRADED
from services.health.judge.rules.verdict import SEVERITY, Status
from services.health.judge.snapshot import Component
from services.health.judge.window import BusState, StageWindow

CONSEQUENCES = frozenset({Reason.BUS_UNREACHABLE, Reason.DATABASE_UNREACHABLE})
"""Of a stage: its cause is the bus or the database, which tells it."""
CLOCK_SECONDS = 30.0
MOST = 100
"""Most sentences; what is beyond them is counted."""


def issues(
    components: Mapping[str, Component],
    windows: Mapping[Stage, StageWindow],
    bus: BusState,
    crowded: Mapping[Stage, float],
    now: float,
) -> list[str]:
    """`crowded` tells when an instance of a stage beat that is not followed."""
    found = []
    for name, component in sorted(components.items(), key=lambda item: -SEVERITY[item[1].verdict.status]):
        consequence = name in windows and component.verdict.reason in CONSEQUENCES
        if component.verdict.status is not Status.HEALTHY and not consequence:
            found.append(f"{name}: {component.verdict.cause}")
    for stage, window in windows.items():
        for name, one in window.alive.items():
            found += [f"{stage} {name}: {words}" for words in _of(one)]
        if now - crowded.get(stage, float("-inf")) < AGE_DEGRADED:
            found.append(f"{stage}: more than {MOST_INSTANCES} instances send heartbeats; the others are not tracked")
    if letters := bus.messages(topology.DEADLETTERS.name):
        found.append(f"dead letters kept: {letters}; see `mnemo deadletters`")
    told = list(dict.fromkeys(found))
    return told if len(told) <= MOST else [*told[:MOST], f"and {len(told) - MOST} more"]


def _of(one: Instance) -> list[str]:
    """What one instance has to tell."""
    found, told = [], one.watcher
    if told.paused:
        found.append(f"capture is paused: {told.paused}")
    if told.unreadable_files:
        found.append(f"{told.unreadable_files} files cannot be read: {told.unreadable}")
    if told.unlistable_folders:
        found.append(f"{told.unlistable_folders} folders cannot be listed: {told.unreadable}")
    if told.damaged_lines:
        found.append(f"{told.damaged_lines} damaged lines archived since start (no action needed)")
    if abs(one.clock_off) > CLOCK_SECONDS:
        found.append(f"its clock is {one.clock_off:+.0f} s off the health service's")
    return found
