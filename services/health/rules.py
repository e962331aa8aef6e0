"""The status of a stage: numbered rules over a window, the first match wins. Pure; table in docs/status.md.

Unknown never reads as healthy. Rule 6 is the published table and the slowest way to notice;
the rules above it see the same faults sooner, or name the cause better.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from contracts.events import Phase, Stage
from services.health.window import StageWindow, rate

AGE_DEGRADED = 60.0
AGE_UNHEALTHY = 120.0
FAILURES_UNHEALTHY = 5
STALLED_SECONDS = 30.0


class Status(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


SEVERITY = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNKNOWN: 2, Status.UNHEALTHY: 3}


class Verdict(msgspec.Struct, frozen=True):
    """A status, the rule that gave it, and why in words."""

    status: Status
    rule: str
    cause: str


def judge(w: StageWindow, now: float) -> Verdict:
    """The first rule that matches. Total: there is always an answer."""
    for rule in RULES:
        if verdict := rule(w, now):
            return verdict
    return rule_8_healthy(w, now)


def rule_1_bus(w: StageWindow, now: float) -> Verdict | None:
    """Without the bus nothing can be known of a stage; the cause is named once, at the top."""
    if w.bus_error:
        return Verdict(Status.UNKNOWN, "1 bus", f"the bus does not answer: {w.bus_error}")
    return None


def rule_2_database(w: StageWindow, now: float) -> Verdict | None:
    """Only the writer needs the database."""
    if w.database_error and w.stage is Stage.WRITER:
        return Verdict(Status.UNHEALTHY, "2 database", f"the database does not answer: {w.database_error}")
    return None


def rule_3_wiring(w: StageWindow, now: float) -> Verdict | None:
    """A missing stream or consumer looks idle from inside the stage."""
    if w.wiring_error:
        return Verdict(Status.UNHEALTHY, "3 wiring", w.wiring_error)
    return None


def rule_4_absent(w: StageWindow, now: float) -> Verdict | None:
    """Nobody beats: unknown while we have only just begun to listen, then unhealthy."""
    if w.alive:
        return None
    if now - w.started < w.grace:
        return Verdict(Status.UNKNOWN, "4 absent", "no heartbeat heard yet")
    return Verdict(Status.UNHEALTHY, "4 absent", f"no instance runs, {w.lag.total} waiting")


def rule_5_stalled(w: StageWindow, now: float) -> Verdict | None:
    """It beats, work waits at every sample for 30 s, and nothing has finished in that time."""
    recent = [sample for sample in w.samples if now - sample.at <= STALLED_SECONDS + 10]
    long_enough = bool(recent) and recent[-1].at - recent[0].at >= STALLED_SECONDS
    if not long_enough or not all(sample.lag.total for sample in recent):
        return None
    if recent[-1].processed > recent[0].processed or now - w.last_progress() < STALLED_SECONDS:
        return None
    return Verdict(Status.UNHEALTHY, "5 stalled", f"alive, but nothing finished while {w.lag.total} wait")


def rule_6_published(w: StageWindow, now: float) -> Verdict | None:
    """The published table: heartbeat age and consecutive failures."""
    age, failures = w.age(now), w.failures
    others = len(w.alive) > 1 and any(one.age(now) < AGE_DEGRADED for one in w.alive.values())
    if failures >= FAILURES_UNHEALTHY:
        return Verdict(Status.UNHEALTHY, "6 failing", f"{failures} consecutive failures: {_last_error(w)}")
    if age is not None and age > AGE_UNHEALTHY and not others:
        return Verdict(Status.UNHEALTHY, "6 heartbeat", f"no heartbeat for {age:.0f} s")
    if age is not None and age >= AGE_DEGRADED:
        return Verdict(Status.DEGRADED, "6 heartbeat", f"no heartbeat of {_silent(w, now)} for {age:.0f} s")
    if failures:
        return Verdict(Status.DEGRADED, "6 failing", f"{failures} consecutive failures: {_last_error(w)}")
    return None


def rule_7_dead_letters(w: StageWindow, now: float) -> Verdict | None:
    """Something was given up a short while ago."""
    if w.dead_letters_recent:
        return Verdict(Status.DEGRADED, "7 dead letters", f"{w.dead_letters_recent} new dead letters")
    return None


def rule_8_healthy(w: StageWindow, now: float) -> Verdict:
    """Working, catching up, or idle; idle is healthy."""
    if not w.lag.total:
        starting = all(one.beat.phase is Phase.STARTING for one in w.alive.values())
        words = "starting" if starting else "idle" if w.last_progress() else "idle since start"
        return Verdict(Status.HEALTHY, "8 healthy", words)
    left = eta(w)
    return Verdict(Status.HEALTHY, "8 healthy", "catching up" + (f", about {left:.0f} s left" if left else ""))


RULES = (
    rule_1_bus,
    rule_2_database,
    rule_3_wiring,
    rule_4_absent,
    rule_5_stalled,
    rule_6_published,
    rule_7_dead_letters,
)


def eta(w: StageWindow) -> float | None:
    """Seconds until the lag is gone at the present rate; None when it does not shrink."""
    speed = rate(w.samples)
    return w.lag.total / speed if speed > 0 and w.lag.total else None


def trend(w: StageWindow) -> str:
    """`growing`, `draining` or `steady`."""
    speed = rate(w.samples)
    return "draining" if speed > 0 else "growing" if speed < 0 else "steady"


def _last_error(w: StageWindow) -> str:
    worst = max(w.alive.values(), key=lambda one: one.failures)
    return worst.beat.last_error or "restarted without a success"


def _silent(w: StageWindow, now: float) -> str:
    return max(w.alive, key=lambda name: w.alive[name].age(now))
