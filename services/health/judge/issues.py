"""What is wrong or worth knowing, in sentences, root causes first, each once. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from contracts import topology
from contracts.events import Stage
from services.health.judge import rules
from services.health.judge.instances import MOST_INSTANCES
from services.health.judge.rules import SEVERITY, Status
from services.health.judge.snapshot import Component
from services.health.judge.window import BusState, Instance, StageWindow

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
        consequence = name in windows and component.verdict.rule in ("1 bus", "2 database")
        if component.verdict.status is not Status.HEALTHY and not consequence:
            found.append(f"{name}: {component.verdict.cause}")
    for stage, window in windows.items():
        for name, one in window.alive.items():
            found += [f"{stage} {name}: {words}" for words in _of(one)]
        if now - crowded.get(stage, float("-inf")) < rules.AGE_DEGRADED:
            found.append(f"{stage}: more than {MOST_INSTANCES} instances beat, the others are not followed")
    if letters := bus.messages(topology.DEADLETTERS.name):
        found.append(f"dead letters kept: {letters}, see `mnemo deadletters`")
    told = list(dict.fromkeys(found))
    return told if len(told) <= MOST else [*told[:MOST], f"and {len(told) - MOST} more"]


def _of(one: Instance) -> list[str]:
    """What one instance has to tell."""
    found, gauges, notes = [], one.beat.gauges, one.beat.notes
    if paused := notes.get("paused"):
        found.append(f"capture pauses, {paused}")
    if files := int(gauges.get("unreadable_files", 0)):
        found.append(f"{files} files cannot be read: {notes.get('unreadable', '')}")
    if folders := int(gauges.get("unlistable", 0)):
        found.append(f"{folders} folders cannot be listed: {notes.get('unreadable', '')}")
    if lines := int(gauges.get("damaged", 0)):
        found.append(f"{lines} damaged lines archived since start (no action needed)")
    if abs(one.clock_off) > CLOCK_SECONDS:
        found.append(f"its clock is {one.clock_off:+.0f} s off ours")
    return found
