"""Bodies for those without the token: the same shape, without names of files, paths, and texts of errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mnemostream.services.health.judge.snapshot import Snapshot

HIDDEN = "…"
PROSE = frozenset(
    [
        "cause",
        "issues",
        "last_error",
        "error",
        "unreadable",
        "uncaptured_names",
        "paused",
        "mode_reason",
        "bus",
        "database",
    ]
)
"""Fields that hold sentences; all others are numbers, codes, times, and names of processes."""
PATH = re.compile(r"(?<![\w:/])(?:/|[A-Za-z]:\\|~)[^\s'\"]+")
FAMILY = re.compile(r"\A\w+:(?= )")
"""The kind of an error, as the services report one: `Transient: …`."""


def nameless(snapshot: Snapshot, body: msgspec.Struct) -> bytes:
    """JSON of a body in which a sentence says how many, not which. `lines` of a watcher, which quotes transcripts, is
    empty; causes of earlier changes, whose errors nobody tells any more, are, too."""
    built = _without(msgspec.to_builtins(body), _told(snapshot))
    for change in built.get("changes", []):
        change["cause"] = ""
    return msgspec.json.encode(built)


def _told(snapshot: Snapshot) -> dict[str, str]:
    """What instances tell in their own words, and what stays of it; the longest first."""
    found: dict[str, str] = {}
    for window in snapshot.windows.values():
        for instance in window.alive.values():
            vitals, error = instance.watcher, instance.beat.last_error
            family = FAMILY.match(error)
            found[error] = f"{family[0]} {HIDDEN}" if family else HIDDEN
            found |= dict.fromkeys((vitals.unreadable, vitals.uncaptured_names), HIDDEN)
            found |= dict.fromkeys((name.partition(":")[2] for name in vitals.lines), HIDDEN)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _without(value: Any, told: Mapping[str, str], field: str = "") -> Any:
    if isinstance(value, dict):
        return {key: {} if key == "lines" else _without(inner, told, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, told, field) for inner in value]
    return _sentence(value, told.items()) if isinstance(value, str) and field in PROSE else value


def _sentence(text: str, told: Iterable[tuple[str, str]]) -> str:
    for words, rest in told:
        if words:
            text = text.replace(words, rest)
    return PATH.sub(HIDDEN, text)
