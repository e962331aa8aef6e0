"""Rules of the statuses unhealthy and unknown: work does not get done. Pure; root causes first."""

from __future__ import annotations

from mnemostream.contracts.events import Phase, Stage
from mnemostream.contracts.reasons import Reason, counted
from mnemostream.services.health.judge.beats import CRASHES_SECONDS
from mnemostream.services.health.judge.rules.verdict import Verdict, healthy, unhealthy, unknown
from mnemostream.services.health.judge.rules.words import (
    backlog,
    last_error,
    lost_folders,
    no_contact,
    paused,
    worst_error,
)
from mnemostream.services.health.judge.window import Sample, StageWindow

AGE_UNHEALTHY = 120.0
FAILURES_UNHEALTHY = 5
STALLED_SECONDS = 30.0
STARTING_SECONDS = 120.0
"""A stage that is still starting after so long, while work waits, is stalled."""
SILENT_SECONDS = 20.0
"""No heartbeat for so long, four in a row, while work waits: not busy, gone. Less than the watchdog of a blocked event
loop takes, so that the cause is named before the process ends."""
HANDOVER_SECONDS = 30.0
"""After a goodbye, the successor has so long to appear."""
UNPOLLED_SECONDS = 30.0
"""An instance with nothing in hand asks for work every 5 s; six times without contact is no accident."""
CRASH_LOOP = 3
"""Crashes within five minutes that make a loop."""
ROWS_MISSING_SECONDS = 30.0
"""What the writer has just acknowledged is counted within seconds."""
REPORTING_SECONDS = 30.0
"""A watcher that has run so long has reported its backlog."""
LOOP_OVER_SECONDS = 90.0
"""Without a crash for so long, longer than any supervisor waits before it starts a process again, a loop is over."""
STREAM_FULL = 0.98
DISK_FULL_BYTES = 256 << 20


def bus_unreachable(w: StageWindow, now: float) -> Verdict | None:
    """Without the bus nothing can be known of a stage; the cause is named once, at the top."""
    return unknown(Reason.BUS_UNREACHABLE, f"NATS does not answer: {w.bus_error}") if w.bus_error else None


def database_unreachable(w: StageWindow, now: float) -> Verdict | None:
    """Only the writer needs the database."""
    if w.database_error and w.stage is Stage.WRITER:
        return unhealthy(Reason.DATABASE_UNREACHABLE, f"the database does not accept rows: {w.database_error}")
    return None


def topology_drift(w: StageWindow, now: float) -> Verdict | None:
    """A stream or consumer is missing, paused or changed: it looks idle from inside the stage."""
    return unhealthy(Reason.TOPOLOGY_DRIFT, w.topology_error) if w.topology_error else None


def messages_evicted(w: StageWindow, now: float) -> Verdict | None:
    """Messages left the stream before the stage had processed them."""
    return unhealthy(Reason.MESSAGES_EVICTED, w.evicted) if w.evicted else None


def no_instance(w: StageWindow, now: float) -> Verdict | None:
    """Nobody runs. Unknown while we have only just begun to listen; no fault if all said goodbye and nothing waits, or
    none is wanted."""
    if w.own or (w.unwanted and w.alive):
        return None
    if w.unwanted:
        return healthy(f"off: none is wanted; waiting: {backlog(w)}")
    known = any(not instance.watcher.edge for instance in w.instances.values())
    if not known and not w.goodbye_at and now - w.started < w.grace:
        return unknown(Reason.NO_INSTANCE, "no heartbeat received yet")
    if known or w.goodbye_at:
        if now - w.goodbye() < HANDOVER_SECONDS:
            return None
        if not w.lag.total and not w.desired and w.stage is not Stage.WATCHER:
            return None
    waiting = f", {backlog(w)} waiting" if w.lag.total else ""
    edges = f" beside the server, {counted(len(w.alive), 'edge')} elsewhere" if w.alive else ""
    return unhealthy(Reason.NO_INSTANCE, f"no instance is running{edges}{waiting}")


def heartbeats_stopped(w: StageWindow, now: float) -> Verdict | None:
    """Work waits and no heartbeat came for 20 s: killed, frozen, or the event loop is blocked."""
    age = w.age(now)
    if age is None or age < SILENT_SECONDS or not w.busy or w.remote:
        return None
    waits = f" while {backlog(w)} wait" if w.lag.total else " in the middle of work"
    return unhealthy(
        Reason.HEARTBEATS_STOPPED,
        f"no heartbeat for {age:.0f} s{waits}: the process is dead or frozen, or its event loop is blocked",
    )


def work_stalled(w: StageWindow, now: float) -> Verdict | None:
    """It beats, and nobody in it looks for work; or work waits at every sample for 30 s and no part of it finished."""
    blind = [instance.unpolled for instance in w.alive.values() if instance.unpolled >= UNPOLLED_SECONDS]
    looks = [
        instance
        for instance in w.alive.values()
        if instance.unpolled < UNPOLLED_SECONDS and instance.age(now) < SILENT_SECONDS
    ]
    if blind and not looks:
        return unhealthy(Reason.WORK_STALLED, f"alive, but {no_contact(w.stage, min(blind))}")
    recent = w.recent(now, STALLED_SECONDS)
    if not recent or not w.alive or _moved(recent) or (w.remote and not looks):
        return None
    starting = [instance for instance in w.alive.values() if instance.beat.phase is Phase.STARTING]
    if len(starting) == len(w.alive):  # loading a model takes its time
        longest = max(instance.beat.uptime_seconds + instance.age(now) for instance in starting)
        if longest < STARTING_SECONDS:
            return None
        return unhealthy(Reason.WORK_STALLED, f"still starting after {longest:.0f} s while {backlog(w)} wait")
    if pause := paused(w):
        return unhealthy(Reason.WORK_STALLED, f"{pause}, {backlog(w)} wait")
    cause = f"alive, but nothing finished for {now - recent[0].at:.0f} s while {backlog(w)} wait"
    return unhealthy(Reason.WORK_STALLED, cause + (f": {worst_error(w)}" if w.failures else ""))


def _moved(recent: list[Sample]) -> bool:
    """True if nothing waited at one of the samples, or anything was finished between the first and the last."""
    first, last = recent[0], recent[-1]
    if not all(sample.lag.total for sample in recent):
        return True
    return last.processed > first.processed or last.progress != first.progress


def restart_loop(w: StageWindow, now: float) -> Verdict | None:
    """An instance crashes and is started again, over and over."""
    for name, instance in sorted(w.alive.items()):
        crashes = instance.crashed_within(now, CRASHES_SECONDS)
        if crashes >= CRASH_LOOP and instance.crashed_within(now, LOOP_OVER_SECONDS):
            return unhealthy(
                Reason.RESTART_LOOP, f"{name} crashed {counted(crashes, 'time')} in 5 minutes: {last_error(instance)}"
            )
    return None


def storage_full(w: StageWindow, now: float) -> Verdict | None:
    """What the stage writes to has no room left."""
    store = w.storage
    if store.fullness >= STREAM_FULL:
        cause = f"the stream {store.stream} is full ({store.fullness:.0%}): raise its max_bytes"
        return unhealthy(Reason.STORAGE_FULL, cause)
    if store.disk_known and store.disk_free_bytes < DISK_FULL_BYTES:
        cause = f"the disk of {store.disk} is full: {store.disk_free_bytes / 1e6:.0f} MB left"
        return unhealthy(Reason.STORAGE_FULL, cause)
    return None


def failing_repeatedly(w: StageWindow, now: float) -> Verdict | None:
    """The published table, last column: 5 consecutive failures."""
    if w.failures < FAILURES_UNHEALTHY:
        return None
    return unhealthy(Reason.FAILING_REPEATEDLY, f"{counted(w.failures, 'consecutive failure')}: {worst_error(w)}")


def heartbeat_stale(w: StageWindow, now: float) -> Verdict | None:
    """The published table, last column: no heartbeat for more than 120 s."""
    age = w.age(now)
    if age is None or age <= AGE_UNHEALTHY or w.remote:
        return None
    return unhealthy(Reason.HEARTBEAT_STALE, f"no heartbeat for {age:.0f} s")


def rows_missing(w: StageWindow, now: float) -> Verdict | None:
    """The log holds what the database does not, and nobody is about to store it: another database was put in place."""
    if w.rows_missing_seconds < ROWS_MISSING_SECONDS:
        return None
    cause = f"missing in the database: {counted(w.rows_missing, 'byte')} of the log; "
    left = max((instance.writer.rereading or 0 for instance in w.alive.values()), default=0)
    cause += f"the writer reads them again, {counted(left, 'message')} left" if left else "`mnemo replay` rebuilds it"
    return unhealthy(Reason.ROWS_MISSING, cause)


def folder_lost(w: StageWindow, now: float) -> Verdict | None:
    """A watched folder that held transcripts is gone: what is written there now is not saved."""
    for name, instance in sorted(w.own.items()):
        if instance.watcher.missing_transcripts:
            return unhealthy(Reason.FOLDER_LOST, lost_folders(name, instance.watcher))
    return None


def backlog_unknown(w: StageWindow, now: float) -> Verdict | None:
    """Watchers run and none of them reports what it has not shipped yet: it may be anything. Graver than degraded, so
    it is asked before those rules."""
    if w.stage is not Stage.WATCHER or w.lag.known or not w.alive:
        return None
    if max(instance.beat.uptime_seconds for instance in w.alive.values()) < REPORTING_SECONDS:
        return None
    return unknown(Reason.BACKLOG_UNKNOWN, "no heartbeat reports a backlog: is a watcher of another version running?")
