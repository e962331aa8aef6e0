"""The status of a stage: numbered rules over a window, the first match wins. Pure; table in docs/status.md.

    1       unknown     nothing can be known
    2 … 10  unhealthy   work does not get done, root causes first
    11 … 24 degraded    work gets done, and something is wrong
    21      healthy     working, catching up, idle, or stopped on request

Unknown never reads as healthy. The published table (10 and 20) is the slowest way to notice; the rules above it see
the same faults sooner, or name the cause better. All unhealthy rules come before all degraded ones, so that older
beats and more failures never improve a status.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from contracts.events import Phase, Stage
from services.health.judge.trends import BEHIND_SECONDS, eta, growing, not_less, saturated_seconds
from services.health.judge.window import CRASHES_SECONDS, Canary, Instance, StageWindow, rate

AGE_DEGRADED = 60.0
AGE_UNHEALTHY = 120.0
FAILURES_UNHEALTHY = 5
STALLED_SECONDS = 30.0
STARTING_SECONDS = 120.0
"""A stage that is still starting after so long, while work waits, is stalled."""
SILENT_SECONDS = 20.0
"""No beat for so long, four in a row, while work waits: not busy, gone. Less than the watchdog of a blocked event
loop takes, so that the cause is named before the process ends."""
VANISHED_SECONDS = 30.0
"""One of several is silent for so long: gone. The published table is about the stage, which still beats."""
HANDOVER_SECONDS = 30.0
"""After a goodbye, the successor has so long to appear."""
UNPOLLED_SECONDS = 30.0
"""An instance with nothing in hand asks for work every 5 s; six times without contact is no accident."""
STUCK_SECONDS = 60.0
CRASH_SECONDS = 30.0
CRASH_LOOP = 3
"""Crashes within five minutes that make a loop."""
LOOP_OVER_SECONDS = 90.0
"""Without a crash for so long, longer than any supervisor waits before it starts a process again, a loop is over."""
OLD_SECONDS = 600.0
REFUSED_SECONDS = 60.0
REDELIVERED_SECONDS = 30.0
EXPLAINED_SECONDS = 100.0
"""A crash, a goodbye or a lost bus explains messages that come again so long after it: `ack_wait`, and then some."""
SATURATED_SECONDS = 30.0
SLOW_LOOP_SECONDS = 5.0
STREAM_FULL, STREAM_FILLING = 0.98, 0.80
DISK_FULL_BYTES, DISK_LOW_BYTES = 256 << 20, 2 << 30


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
    return rule_21_healthy(w, now)


def rule_1_bus(w: StageWindow, now: float) -> Verdict | None:
    """Without the bus nothing can be known of a stage; the cause is named once, at the top."""
    return _unknown("1 bus", f"the bus does not answer: {w.bus_error}") if w.bus_error else None


def rule_2_database(w: StageWindow, now: float) -> Verdict | None:
    """Only the writer needs the database."""
    if w.database_error and w.stage is Stage.WRITER:
        return _bad("2 database", f"the database does not take rows: {w.database_error}")
    return None


def rule_3_wiring(w: StageWindow, now: float) -> Verdict | None:
    """A stream or consumer is missing, paused or changed: it looks idle from inside the stage."""
    return _bad("3 wiring", w.wiring_error) if w.wiring_error else None


def rule_4_evicted(w: StageWindow, now: float) -> Verdict | None:
    """Messages left the stream before the stage had processed them."""
    return _bad("4 evicted", w.evicted) if w.evicted else None


def rule_5_absent(w: StageWindow, now: float) -> Verdict | None:
    """Nobody runs. Unknown while we have only just begun to listen; no fault if all said goodbye and nothing waits."""
    if w.alive:
        return None
    if not w.instances and not w.goodbye_at and now - w.started < w.grace:
        return _unknown("5 absent", "no heartbeat heard yet")
    if w.instances or w.goodbye_at:
        if now - w.goodbye() < HANDOVER_SECONDS:
            return None
        if not w.lag.total and not w.desired and w.stage is not Stage.WATCHER:
            return None
    waiting = f", {_amount(w)} waiting" if w.lag.total else ""
    return _bad("5 absent", f"no instance runs{waiting}")


def rule_6_silent(w: StageWindow, now: float) -> Verdict | None:
    """Work waits and nobody has beaten for 20 s: killed, frozen, or the event loop is blocked."""
    age = w.age(now)
    if age is None or age < SILENT_SECONDS or not w.busy:
        return None
    waits = f", {_amount(w)} wait" if w.lag.total else " in the midst of work"
    return _bad("6 silent", f"no heartbeat for {age:.0f} s{waits}: killed, frozen, or its loop blocked")


def rule_7_stalled(w: StageWindow, now: float) -> Verdict | None:
    """It beats, and nobody in it looks for work; or work waits at every sample for 30 s and no part of it finished."""
    blind = [one.unpolled for one in w.alive.values() if one.unpolled >= UNPOLLED_SECONDS]
    looks = [one for one in w.alive.values() if one.unpolled < UNPOLLED_SECONDS and one.age(now) < SILENT_SECONDS]
    if blind and not looks:
        return _bad("7 stalled", f"alive, but {_blind(w.stage, min(blind))}")
    recent = w.recent(now, STALLED_SECONDS)
    if not recent or not w.alive or not all(sample.lag.total for sample in recent):
        return None
    if recent[-1].processed > recent[0].processed or recent[-1].progress != recent[0].progress:
        return None
    starting = [one for one in w.alive.values() if one.beat.phase is Phase.STARTING]
    if len(starting) == len(w.alive):
        longest = max(one.beat.uptime_seconds + one.age(now) for one in starting)
        if longest < STARTING_SECONDS:
            return None
        return _bad("7 stalled", f"still starting after {longest:.0f} s while {_amount(w)} wait")
    if pause := _paused(w):
        return _bad("7 stalled", f"{pause}, {_amount(w)} wait")
    words = f"alive, but nothing finished for {now - recent[0].at:.0f} s while {_amount(w)} wait"
    return _bad("7 stalled", words + (f": {_last_error(w)}" if w.failures else ""))


def rule_8_crash_loop(w: StageWindow, now: float) -> Verdict | None:
    """An instance begins anew again and again."""
    for name, one in sorted(w.alive.items()):
        crashes = one.crashed_within(now, CRASHES_SECONDS)
        if crashes >= CRASH_LOOP and one.crashed_within(now, LOOP_OVER_SECONDS):
            return _bad("8 crash loop", f"{name} crashed {crashes} times in 5 minutes: {_told(one)}")
    return None


def rule_9_full(w: StageWindow, now: float) -> Verdict | None:
    """What the stage writes to has no room left."""
    store = w.storage
    if store.fullness >= STREAM_FULL:
        return _bad("9 full", f"the stream {store.stream} is full ({store.fullness:.0%}): raise its max_bytes")
    if store.disk_known and store.disk_free_bytes < DISK_FULL_BYTES:
        return _bad("9 full", f"the disk of {store.disk} is full: {store.disk_free_bytes / 1e6:.0f} MB left")
    return None


def rule_10_published_unhealthy(w: StageWindow, now: float) -> Verdict | None:
    """The published table, last column: 5 consecutive failures, or no heartbeat for more than 120 s."""
    age = w.age(now)
    if w.failures >= FAILURES_UNHEALTHY:
        return _bad("10 failing", f"{w.failures} consecutive failures: {_last_error(w)}")
    if age is not None and age > AGE_UNHEALTHY:
        return _bad("10 heartbeat", f"no heartbeat for {age:.0f} s")
    return None


def rule_11_vanished(w: StageWindow, now: float) -> Verdict | None:
    """Some instances beat, others fell silent without a goodbye; or fewer run than should."""
    limit = SILENT_SECONDS if w.busy else VANISHED_SECONDS
    silent = sorted(name for name, one in w.alive.items() if one.age(now) >= limit)
    beating = len(w.alive) - len(silent)
    if not beating:
        return None
    if silent:
        age = max(w.alive[name].age(now) for name in silent)
        return _poor(
            "11 vanished", f"{', '.join(silent[:3])}: silent for {age:.0f} s; {beating} of {len(w.alive)} beat"
        )
    if beating < w.desired and now - w.goodbye() >= HANDOVER_SECONDS:
        return _poor("11 vanished", f"instances running: {beating}, wanted: {w.desired}")
    return None


def rule_12_stuck(w: StageWindow, now: float) -> Verdict | None:
    """One instance holds work and has finished no part of it for a minute, or does not look for work."""
    for name, one in sorted(w.alive.items()):
        if one.unpolled >= UNPOLLED_SECONDS:
            return _poor("12 stuck", f"{name} {_blind(w.stage, one.unpolled)}")
        held = one.beat.oldest_in_flight_seconds + (one.age(now) if one.beat.in_flight else 0.0)
        if one.beat.in_flight and held >= STUCK_SECONDS:
            return _poor("12 stuck", f"{name} has held {one.beat.in_flight} pieces for {held:.0f} s without progress")
    return None


def rule_13_crashed(w: StageWindow, now: float) -> Verdict | None:
    """An instance was gone without a goodbye and runs again."""
    for name, one in sorted(w.alive.items()):
        if one.crashed_within(now, CRASH_SECONDS):
            return _poor("13 crashed", f"{name} crashed and was started again {now - one.crashes[-1]:.0f} s ago")
    return None


def rule_14_recreated(w: StageWindow, now: float) -> Verdict | None:
    """Somebody made a consumer anew: the log is read again from its start."""
    return _poor("14 recreated", w.recreated) if w.recreated else None


def rule_15_dead_letters(w: StageWindow, now: float) -> Verdict | None:
    """Something was given up a short while ago."""
    if not w.dead_letters_recent:
        return None
    return _poor("15 dead letters", f"given up in the last 10 minutes: {w.dead_letters_recent}")


def rule_16_behind(w: StageWindow, now: float) -> Verdict | None:
    """For a minute more comes in than goes out, or old work waits and it has not become less; and it is no import."""
    if w.importing:
        return None
    if growing(w, now):
        pace = -rate(w.recent(now, BEHIND_SECONDS))
        return _poor("16 behind", f"{_amount(w)} wait, {pace:.1f} more each second; oldest {w.lag_age(now):.0f} s")
    if w.lag_age(now) >= OLD_SECONDS and not_less(w):
        return _poor("16 behind", f"{_amount(w)} wait, no less than 10 minutes ago; oldest {_span(w.lag_age(now))}")
    return None


def rule_17_saturated(w: StageWindow, now: float) -> Verdict | None:
    """All that may be in hand is in hand, or an event loop has no time left."""
    if saturated_seconds(w, now) >= SATURATED_SECONDS:
        return _poor("17 saturated", f"{w.lag.ack_pending} in hand, which is the limit: no more is delivered")
    for name, one in sorted(w.alive.items()):
        if one.beat.loop_lag_seconds >= SLOW_LOOP_SECONDS and one.beat.phase is Phase.RUNNING:
            return _poor("17 saturated", f"the event loop of {name} was {one.beat.loop_lag_seconds:.1f} s late")
    return None


def rule_18_filling(w: StageWindow, now: float) -> Verdict | None:
    """What the stage writes to is nearly full."""
    store = w.storage
    if store.fullness >= STREAM_FILLING:
        return _poor("18 filling", f"the stream {store.stream} is {store.fullness:.0%} full")
    if store.disk_known and store.disk_free_bytes < DISK_LOW_BYTES:
        return _poor("18 filling", f"the disk of {store.disk} has {store.disk_free_bytes / 1e6:.0f} MB left")
    return None


def rule_19_unreadable(w: StageWindow, now: float) -> Verdict | None:
    """Transcripts that exist and cannot be read, or folders that cannot be listed, are not saved."""
    for name, one in sorted(w.alive.items()):
        why = one.beat.notes.get("unreadable", "")
        if files := int(one.beat.gauges.get("unreadable_files", 0)):
            return _poor("19 unreadable", f"{name}: files that cannot be read: {files}: {why}")
        if folders := int(one.beat.gauges.get("unlistable", 0)):
            return _poor("19 unreadable", f"{name}: folders that cannot be listed: {folders}: {why}")
    return None


def rule_23_refused(w: StageWindow, now: float) -> Verdict | None:
    """The server refuses what an instance asks for: it never gets work, and looks idle."""
    for name, one in sorted(w.alive.items()):
        if now - one.refused_at < REFUSED_SECONDS:
            return _poor("23 refused", f"{name}: {one.beat.last_error or 'the server refused its pull request'}")
    return None


def rule_24_redelivered(w: StageWindow, now: float) -> Verdict | None:
    """Messages come a second time, and no failure, crash, goodbye or lost bus of the last minutes explains it."""
    last = max((one.redelivered_at for one in w.alive.values()), default=float("-inf"))
    if now - last >= REDELIVERED_SECONDS or not w.recent(now, EXPLAINED_SECONDS):
        return None
    crashed = any(one.crashed_within(now, EXPLAINED_SECONDS) for one in w.instances.values())
    silent = any(one.age(now) >= SILENT_SECONDS for one in w.alive.values())
    if crashed or silent or w.failures or now - w.goodbye() < EXPLAINED_SECONDS:
        return None
    return _poor("24 redelivered", "messages are delivered again though nothing failed: their work starts 30 s late")


def rule_20_published_degraded(w: StageWindow, now: float) -> Verdict | None:
    """The published table, middle column: 1 to 4 consecutive failures, or no heartbeat for 60 to 120 s."""
    age = w.age(now)
    if w.failures:
        return _poor("20 failing", f"{w.failures} consecutive failures: {_last_error(w)}")
    if age is not None and age >= AGE_DEGRADED:
        return _poor("20 heartbeat", f"no heartbeat for {age:.0f} s")
    return None


def rule_21_healthy(w: StageWindow, now: float) -> Verdict:
    """Working, catching up, stopped on request, or idle; idle is healthy and says since when."""
    if not w.alive:
        waits = f"{_amount(w)} wait" if w.lag.total else "nothing waits"
        return _good(f"stopped on request {_span(now - w.goodbye())} ago, {waits}")
    if w.lag.total:
        left = eta(w)
        if (w.importing or w.lag_age(now) >= 10) and left is not None:
            return _good(f"catching up, about {_span(left)} left")
        return _good("catching up" if w.importing else "working")
    if all(one.beat.phase is Phase.STARTING for one in w.alive.values()):
        return _good("starting")
    progress = w.last_progress()
    return _good(f"idle for {_span(max(0.0, now - progress))}" if progress else "idle since its start")


RULES = (
    rule_1_bus,
    rule_2_database,
    rule_3_wiring,
    rule_4_evicted,
    rule_5_absent,
    rule_6_silent,
    rule_7_stalled,
    rule_8_crash_loop,
    rule_9_full,
    rule_10_published_unhealthy,
    rule_11_vanished,
    rule_12_stuck,
    rule_13_crashed,
    rule_14_recreated,
    rule_15_dead_letters,
    rule_16_behind,
    rule_17_saturated,
    rule_18_filling,
    rule_19_unreadable,
    rule_23_refused,
    rule_24_redelivered,
    rule_20_published_degraded,
)


CANARY_PERIODS = 3
"""A canary that has not arrived for so many periods is lost; after one and a half it is late."""


def judge_canary(canary: Canary, error: str, now: float, ahead: int = 0) -> Verdict:
    """The status of the end-to-end check: a line that must come out as a row with a vector. `ahead` are messages that
    wait longer than it, of stages that are well: it waits its turn, as in an import."""
    rule = "22 canary"
    if not canary.period:
        return Verdict(Status.HEALTHY, rule, "off")
    if error:
        return Verdict(Status.UNKNOWN, rule, f"cannot be looked for: {error}")
    if canary.error:
        return Verdict(Status.UNHEALTHY, rule, canary.error)
    waiting = now - canary.waiting_since if canary.waiting_since else 0.0
    if ahead and waiting >= 1.5 * canary.period:
        return Verdict(Status.HEALTHY, rule, f"a line of {waiting:.0f} s ago waits behind {ahead:,} messages")
    if waiting >= CANARY_PERIODS * canary.period:
        return Verdict(Status.UNHEALTHY, rule, f"lost: a line of {waiting:.0f} s ago is still no row with a vector")
    if waiting >= 1.5 * canary.period:
        return Verdict(Status.DEGRADED, rule, f"late: a line of {waiting:.0f} s ago is still no row with a vector")
    if not canary.last_arrived_at:
        return Verdict(Status.HEALTHY, rule, "the first line is under way")
    return Verdict(Status.HEALTHY, rule, f"from disk to vector in {canary.last_seconds:.1f} s")


def _unknown(rule: str, cause: str) -> Verdict:
    return Verdict(Status.UNKNOWN, rule, cause)


def _bad(rule: str, cause: str) -> Verdict:
    return Verdict(Status.UNHEALTHY, rule, cause)


def _poor(rule: str, cause: str) -> Verdict:
    return Verdict(Status.DEGRADED, rule, cause)


def _good(cause: str) -> Verdict:
    return Verdict(Status.HEALTHY, "21 healthy", cause)


def _amount(w: StageWindow) -> str:
    return f"{w.lag.total:,} {'bytes' if w.stage is Stage.WATCHER else 'messages'}"


def _paused(w: StageWindow) -> str:
    return next((f"capture pauses, {note}" for one in w.alive.values() if (note := one.beat.notes.get("paused"))), "")


def _blind(stage: Stage, seconds: float) -> str:
    if stage is Stage.WATCHER:
        return f"has not looked at its folders for {seconds:.0f} s: a disk that hangs, or a deadlock"
    return f"has had no contact with its consumer for {seconds:.0f} s"


def _last_error(w: StageWindow) -> str:
    return _told(max(w.alive.values(), key=lambda one: one.failures))


def _told(one: Instance) -> str:
    return one.beat.last_error or "started again without a success"


def _span(seconds: float) -> str:
    """A duration for people.

    >>> _span(40), _span(400), _span(8000), _span(400000)
    ('40 s', '6 min', '2.2 h', '4.6 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"
