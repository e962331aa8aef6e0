"""The status of a stage: rules over a window, the first match wins. Pure; the same table is in docs/status.md.

    unknown     nothing can be known
    unhealthy   work does not get done, root causes first
    degraded    work gets done, and something is wrong
    healthy     working, catching up, idle, or stopped on request

Unknown never reads as healthy. The published table of ages and failures is the slowest way to notice; the rules above
it see the same faults sooner, or name the cause better. All unhealthy rules come before all degraded ones, so that
older heartbeats and more failures never improve a status. To add a rule: a code in contracts/reasons.py, a function in
`failing` or `impaired`, its place here, and its row in docs/status.md.
"""

from __future__ import annotations

from collections.abc import Callable

from mnemostream.contracts.events import Phase
from mnemostream.contracts.reasons import Reason
from mnemostream.services.health.judge.rules import failing, impaired
from mnemostream.services.health.judge.rules.verdict import Verdict, healthy
from mnemostream.services.health.judge.rules.words import backlog, span
from mnemostream.services.health.judge.trends import eta
from mnemostream.services.health.judge.window import StageWindow

Rule = Callable[[StageWindow, float], Verdict | None]

RULES: tuple[tuple[Reason, Rule], ...] = (
    (Reason.BUS_UNREACHABLE, failing.bus_unreachable),
    (Reason.DATABASE_UNREACHABLE, failing.database_unreachable),
    (Reason.TOPOLOGY_DRIFT, failing.topology_drift),
    (Reason.MESSAGES_EVICTED, failing.messages_evicted),
    (Reason.ROWS_MISSING, failing.rows_missing),
    (Reason.NO_INSTANCE, failing.no_instance),
    (Reason.HEARTBEATS_STOPPED, failing.heartbeats_stopped),
    (Reason.WORK_STALLED, failing.work_stalled),
    (Reason.RESTART_LOOP, failing.restart_loop),
    (Reason.STORAGE_FULL, failing.storage_full),
    (Reason.FAILING_REPEATEDLY, failing.failing_repeatedly),
    (Reason.HEARTBEAT_STALE, failing.heartbeat_stale),
    (Reason.FOLDER_LOST, failing.folder_lost),
    (Reason.BACKLOG_UNKNOWN, failing.backlog_unknown),
    (Reason.INSTANCE_VANISHED, impaired.instance_vanished),
    (Reason.INSTANCE_STUCK, impaired.instance_stuck),
    (Reason.INSTANCE_CRASHED, impaired.instance_crashed),
    (Reason.CONSUMER_RECREATED, impaired.consumer_recreated),
    (Reason.DEAD_LETTERS_GREW, impaired.dead_letters_grew),
    (Reason.BACKLOG_GROWING, impaired.backlog_growing),
    (Reason.SATURATED, impaired.saturated),
    (Reason.STORAGE_FILLING, impaired.storage_filling),
    (Reason.FILES_UNREADABLE, impaired.files_unreadable),
    (Reason.FOLDER_MISSING, impaired.folder_missing),
    (Reason.INDEXING_FAILS, impaired.indexing_fails),
    (Reason.PULLS_REFUSED, impaired.pulls_refused),
    (Reason.REDELIVERED, impaired.redelivered),
    (Reason.FAILING, impaired.failing),
    (Reason.HEARTBEAT_LATE, impaired.heartbeat_late),
    (Reason.EDGE_AWAY, impaired.edge_away),
)
"""In the order in which they are asked."""


def judge(w: StageWindow, now: float) -> Verdict:
    """The first rule that matches. Total: there is always an answer."""
    for _, rule in RULES:
        if verdict := rule(w, now):
            return verdict
    return otherwise_healthy(w, now)


def otherwise_healthy(w: StageWindow, now: float) -> Verdict:
    """Working, catching up, stopped on request, or idle; idle is healthy and says since when."""
    if not w.alive:
        waits = f"{backlog(w)} wait" if w.lag.total else "nothing is waiting"
        return healthy(f"stopped on request {span(now - w.goodbye())} ago, {waits}")
    if w.lag.total:
        left = eta(w)
        if (w.importing or w.lag_age(now) >= 10) and left is not None:
            return healthy(f"catching up, about {span(left)} left")
        return healthy("catching up" if w.importing else "working")
    if all(instance.beat.phase is Phase.STARTING for instance in w.alive.values()):
        return healthy("starting")
    idle = w.idle(now)
    return healthy("idle since start" if idle is None else f"idle for {span(idle)}")
