"""Snapshot to the bodies of the API. Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any, TypeVar

from contracts.events import HealthChanged, Stage
from contracts.sources import CANARY
from services.health.http import schemas
from services.health.judge import ledger as ledgers
from services.health.judge.rules import AGE_DEGRADED, Status
from services.health.judge.snapshot import Letter, Snapshot
from services.health.judge.trends import eta, trend
from services.health.judge.window import Instance, StageWindow, throughput

COUNTS = ("transcripts", "segments", "stored_bytes", "records", "conversations", "texts", "chunks")
IMPORTED = ("conversations", "segments", "bytes")
T = TypeVar("T")


def health(snapshot: Snapshot) -> schemas.Health:
    """The health answer: the old system's shape for the watcher, and everything else beside it."""
    now = snapshot.at
    watcher = snapshot.windows[Stage.WATCHER]
    progress = watcher.last_progress()
    canary = snapshot.components["canary"]
    return schemas.Health(
        status=snapshot.status,
        timestamp=iso(now),
        daemon=schemas.Daemon(
            heartbeat_age_seconds=_rounded(watcher.age(now)),
            last_import_age_seconds=_rounded(max(0.0, now - progress)) if progress else None,
            metrics=_metrics(watcher),
        ),
        issues=snapshot.issues,
        cause=snapshot.cause,
        since=iso(snapshot.since),
        bus=_reachable(snapshot.bus_error),
        database=_reachable(snapshot.database_error),
        canary=schemas.CanaryHealth(
            enabled=bool(snapshot.canary.period),
            status=canary.verdict.status,
            cause=canary.verdict.cause,
            since=iso(canary.since),
            last_seconds=_rounded(snapshot.canary.last_seconds) if snapshot.canary.last_arrived_at else None,
            sent=snapshot.canary.sent,
            arrived=snapshot.canary.arrived,
            lost=snapshot.canary.lost,
        ),
        stages={str(stage): _stage(snapshot, stage) for stage in snapshot.windows},
    )


def http_status(snapshot: Snapshot) -> int:
    """200 for healthy and degraded, 503 otherwise."""
    return 200 if snapshot.status in (Status.HEALTHY, Status.DEGRADED) else 503


def ready(snapshot: Snapshot) -> schemas.Ready:
    """Bus and database at the last look."""
    good = not snapshot.bus_error and not snapshot.database_error
    return schemas.Ready(good, snapshot.bus_error or "ok", snapshot.database_error or "ok")


def stats(snapshot: Snapshot) -> schemas.Stats:
    """Counts, coverage by model, and the bytes from disk to database."""
    figures = snapshot.figures
    return schemas.Stats(
        timestamp=iso(snapshot.at),
        counted_at=iso(figures["counted_at"]) if figures else None,
        newest=when(figures.get("newest")),
        coverage=[schemas.Coverage(**row) for row in snapshot.coverage],
        watcher=gauges(snapshot),
        streams={
            name: schemas.StreamFigures(state.messages, state.bytes, state.max_bytes)
            for name, state in snapshot.bus.streams.items()
        },
        **{name: figures.get(name) for name in COUNTS},
    )


def ledger(snapshot: Snapshot) -> schemas.Ledger:
    """Continuous loss accounting, per source and in total."""
    found = ledgers.ledger(gauges(snapshot), snapshot.ledger)
    total, sources, balanced = found.pop("total"), found.pop("sources"), found.pop("balanced")
    age = snapshot.windows[Stage.WATCHER].age(snapshot.at)
    known = bool(snapshot.figures) and age is not None and age < AGE_DEGRADED
    return schemas.Ledger(
        timestamp=iso(snapshot.at),
        balanced=balanced if known else None,
        total=schemas.Account(**total),
        sources={name: schemas.Account(**account) for name, account in sources.items()},
        **found,
    )


def recent(snapshot: Snapshot, limit: int, offset: int) -> schemas.Recent:
    """One page of the newest conversations."""
    page, following = paged(snapshot.recent, limit, offset)
    found = [schemas.Conversation(**dated(row)) for row in page]
    return schemas.Recent(found, len(found), offset, len(snapshot.recent), following)


def conversation(whole: dict[str, Any], records: list[dict[str, Any]], offset: int) -> schemas.FullConversation:
    """One exchange with one page of its records."""
    facts = dated(whole)
    cut = facts.pop("cut")
    total = records[0]["total"] if records else 0
    end = offset + len(records)
    following = end if records and end < total else None
    listed = [schemas.ConversationRecord(**{n: v for n, v in dated(row).items() if n != "total"}) for row in records]
    return schemas.FullConversation(
        **facts,
        records=listed,
        truncated=bool(cut) or following is not None,
        offset=offset,
        total=total,
        next=following,
    )


def timeline(snapshot: Snapshot, days: int, limit: int, offset: int) -> schemas.Timeline:
    """Imports of the last `days` per hour (of the last two days) and per day; one page of the status changes."""
    first = snapshot.at - days * 86400
    daily = [row for row in snapshot.daily if row["start"].timestamp() > first - 86400]
    hourly = [row for row in snapshot.hourly if row["start"].timestamp() > snapshot.at - min(days, 2) * 86400 - 3600]
    changes = [change for change in reversed(snapshot.changes) if change.at >= first]
    page, following = paged(changes, limit, offset)
    return schemas.Timeline(
        days=days,
        hourly=[schemas.Bucket(iso(r["start"].timestamp()), *(r[name] for name in IMPORTED)) for r in hourly],
        daily=[schemas.Bucket(r["start"].strftime("%Y-%m-%d"), *(r[name] for name in IMPORTED)) for r in daily],
        changes=[change_of(change) for change in page],
        count=len(page),
        offset=offset,
        total=len(changes),
        next=following,
    )


def change_of(change: HealthChanged) -> schemas.Change:
    """A status change for people."""
    return schemas.Change(
        change.component,
        change.before,
        change.after,
        change.rule,
        change.cause,
        iso(change.at),
        round(change.seconds, 3),
        change.consecutive_failures,
    )


def deadletters(
    snapshot: Snapshot, stage: str | None, limit: int, offset: int, asked: Set[int] = frozenset()
) -> schemas.DeadLetters:
    """One page of the dead letters, newest first; `asked` are those with a retry under way."""
    wanted = [letter for letter in snapshot.letters if stage in (None, letter.stage)]
    page, following = paged(wanted, limit, offset)
    return schemas.DeadLetters(
        [_letter(letter, asked) for letter in page],
        snapshot.bus.messages("DEADLETTERS"),
        len(page),
        offset,
        len(wanted),
        following,
    )


def paged(rows: Sequence[T], limit: int, offset: int) -> tuple[Sequence[T], int | None]:
    """One page, and the offset of the next one, if there is one."""
    return rows[offset : offset + limit], offset + limit if offset + limit < len(rows) else None


def gauges(snapshot: Snapshot) -> dict[str, float]:
    """The watchers' gauges, added up; without the canary's."""
    found: dict[str, float] = {}
    for one in snapshot.windows[Stage.WATCHER].alive.values():
        for name, value in one.beat.gauges.items():
            if not name.endswith(f".{CANARY}"):
                found[name] = found.get(name, 0) + value
    return found


def outcome(letter: Letter, asked: Set[int]) -> str:
    """What became of a retry."""
    return "pending" if letter.sequence in asked else letter.retry


def _letter(letter: Letter, asked: Set[int]) -> schemas.DeadLetterItem:
    told = {name: getattr(letter, name) for name in letter.__struct_fields__}
    return schemas.DeadLetterItem(**{**told, "at": iso(letter.at), "retry": outcome(letter, asked)})


def _stage(snapshot: Snapshot, stage: Stage) -> schemas.StageHealth:
    window, now = snapshot.windows[stage], snapshot.at
    component = snapshot.components[stage]
    return schemas.StageHealth(
        status=component.verdict.status,
        rule=component.verdict.rule,
        cause=component.verdict.cause,
        since=iso(component.since),
        consecutive_failures=window.failures,
        heartbeat_age_seconds=_rounded(window.age(now)),
        desired=window.desired or len(window.alive),
        dead_letters=window.dead_letters,
        instances={name: _instance(one, now) for name, one in sorted(window.alive.items())},
        lag=schemas.StageLag(
            unit="bytes" if stage is Stage.WATCHER else "messages",
            pending=window.lag.pending,
            ack_pending=window.lag.ack_pending,
            age_seconds=round(window.lag_age(now), 3),
            eta_seconds=_rounded(eta(window)),
            trend=trend(window),
            rate=round(throughput(window.samples), 3),
        ),
    )


def _instance(one: Instance, now: float) -> schemas.InstanceState:
    beat = one.beat
    return schemas.InstanceState(
        phase=beat.phase,
        heartbeat_age_seconds=round(one.age(now), 3),
        consecutive_failures=one.failures,
        crashes=one.crashed_within(now, 300.0),
        processed=beat.processed,
        failed=beat.failed,
        in_flight=beat.in_flight,
        oldest_in_flight_seconds=round(beat.oldest_in_flight_seconds, 3),
        unpolled_seconds=round(one.unpolled, 3),
        loop_lag_seconds=round(beat.loop_lag_seconds, 4),
        last_error=beat.last_error,
        uptime_seconds=round(beat.uptime_seconds, 1),
        pid=beat.pid,
        version=beat.service_version,
        gauges=beat.gauges,
        notes=beat.notes,
    )


def _metrics(window: StageWindow) -> schemas.DaemonMetrics:
    beats = [one.beat for one in window.alive.values()]
    return schemas.DaemonMetrics(
        total_imported=sum(beat.total_imported for beat in beats),
        last_import_count=sum(beat.last_import_count for beat in beats),
        consecutive_failures=window.failures,
        last_error=next((beat.last_error for beat in beats if beat.last_error), None),
        uptime_seconds=max((beat.uptime_seconds for beat in beats), default=0.0),
    )


def _reachable(error: str) -> schemas.Reachable:
    return schemas.Reachable("unreachable" if error else "reachable", error)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def iso(at: float) -> str:
    """Unix time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(at: datetime | None) -> str | None:
    """A time of the database, the same way."""
    return None if at is None else iso(at.timestamp())


def dated(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times as text."""
    return {name: when(value) if isinstance(value, datetime) else value for name, value in row.items()}
