"""Machines whose transcripts are here: what the database holds of each, and what its watcher said last. Pure."""

from __future__ import annotations

from typing import Any, Literal

from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.http.archive import Host, Hosts
from mnemostream.services.health.judge.beats import Instance
from mnemostream.services.health.judge.rules.failing import SILENT_SECONDS
from mnemostream.services.health.judge.snapshot import Snapshot


def hosts(snapshot: Snapshot) -> Hosts:
    """Every host of a transcript, and every one with a watcher; the latest first."""
    told: dict[str, Instance] = {}
    for instance in sorted(snapshot.windows[Stage.WATCHER].instances.values(), key=lambda instance: instance.at):
        if instance.watcher.host:
            told[instance.watcher.host] = instance
    rows = {row["host"]: dict(row) for row in snapshot.figures.get("hosts", [])}
    found = [_host(name, rows.get(name, {}), told.get(name), snapshot.now) for name in {*rows, *told}]
    return Hosts(sorted(found, key=lambda one: (one.last_at is not None, one.last_at, one.host), reverse=True))


def _host(name: str, row: dict[str, Any], instance: Instance | None, now: float) -> Host:
    counts = {field: row[field] for field in ("transcripts", "bytes", "last_at") if field in row}
    if instance is None:
        return Host(name, edge=False, **counts)
    age = instance.age(now)
    stopped = instance.beat.phase is Phase.STOPPED
    state: Literal["beating", "silent", "stopped"] = (
        "stopped" if stopped else "beating" if age < SILENT_SECONDS else "silent"
    )
    return Host(name, instance.watcher.edge, state, round(age, 1), instance.watcher.backlog_bytes, **counts)
