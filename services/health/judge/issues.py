"""What is wrong or worth knowing, in sentences, root causes first, each once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mnemostream.contracts import topology
from mnemostream.contracts.events import Stage
from mnemostream.contracts.reasons import Reason, counted
from mnemostream.services.health.judge.beats import Instance
from mnemostream.services.health.judge.instances import MOST_INSTANCES
from mnemostream.services.health.judge.rules.impaired import AGE_DEGRADED
from mnemostream.services.health.judge.rules.verdict import SEVERITY, Status
from mnemostream.services.health.judge.snapshot import Component
from mnemostream.services.health.judge.window import StageWindow

if TYPE_CHECKING:
    from mnemostream.services.health.judge.observer import Observer

CONSEQUENCES = frozenset({Reason.BUS_UNREACHABLE, Reason.DATABASE_UNREACHABLE})
"""Of a stage: its cause is the bus or the database, which tells it."""
CLOCK_SECONDS = 30.0
RETRY = "mnemo deadletters retry --reason version"
MOST = 100
"""Most sentences; what is beyond them is counted."""


def issues(
    components: Mapping[str, Component],
    windows: Mapping[Stage, StageWindow],
    observer: Observer,
    now: float,
) -> list[str]:
    """All sentences. `now` is the observed time, in seconds."""
    sentences = []
    crowded = observer.instances.crowded  # when an instance of a stage beat that is not followed
    for name, component in sorted(components.items(), key=lambda item: -SEVERITY[item[1].verdict.status]):
        consequence = name in windows and component.verdict.reason in CONSEQUENCES
        if component.verdict.status is not Status.HEALTHY and not consequence:
            sentences.append(f"{name}: {component.verdict.cause}")
    for stage, window in windows.items():
        for name, instance in window.alive.items():
            sentences += [f"{stage} {name}: {sentence}" for sentence in _of(instance)]
        if now - crowded.get(stage, float("-inf")) < AGE_DEGRADED:
            sentences.append(
                f"{stage}: more than {MOST_INSTANCES} instances send heartbeats; the others are not tracked"
            )
    if older := observer.figures.get("older_parsers"):
        words = f"read by an older parser: {counted(older, 'transcript')}; `mnemo replay --reparse` reads them anew"
        sentences.append(words)
    if letters := observer.bus.messages(topology.DEADLETTERS.name):
        readable = sum(letter.readable for letter in observer.dead_letters.values())
        words = f", {readable} of them readable since the last update: run `{RETRY}`" if readable else ""
        sentences.append(f"dead letters kept: {letters}{words or '; see `mnemo deadletters`'}")
    distinct = list(dict.fromkeys(sentences))
    return distinct if len(distinct) <= MOST else [*distinct[:MOST], f"and {len(distinct) - MOST} more"]


def _is_witness(name: str) -> bool:
    """True for the count of a field that says who wrote a record, with a value that no parser knows."""
    return name.startswith("unknown:") and "=" in name


def _of(instance: Instance) -> list[str]:
    """What one instance has to tell."""
    sentences, vitals = [], instance.watcher
    if vitals.paused:
        sentences.append(f"capture is paused: {vitals.paused}")
    if vitals.unreadable_files:
        sentences.append(f"{counted(vitals.unreadable_files, 'file')} cannot be read: {vitals.unreadable}")
    if vitals.unlistable_folders:
        sentences.append(f"{counted(vitals.unlistable_folders, 'folder')} cannot be listed: {vitals.unreadable}")
    if vitals.damaged_lines:
        sentences.append(f"{counted(vitals.damaged_lines, 'damaged line')} archived since start (no action needed)")
    if strange := {name.partition(":")[2]: count for name, count in vitals.lines.items() if _is_witness(name)}:
        kinds = ", ".join(f"{name} ({count})" for name, count in sorted(strange.items()))
        sentences.append(f"unknown authors of records, read by what else they say: {kinds}; report them")
    if abs(instance.clock_off) > CLOCK_SECONDS:
        sentences.append(f"its clock is {instance.clock_off:+.0f} s off the health service's")
    return sentences
