"""Rules of the status degraded: work gets done, and something is wrong. Pure."""

from __future__ import annotations

from mnemostream.contracts.events import Phase
from mnemostream.contracts.reasons import Reason, counted
from mnemostream.services.health.judge.rules.failing import HANDOVER_SECONDS, SILENT_SECONDS, UNPOLLED_SECONDS
from mnemostream.services.health.judge.rules.verdict import Verdict, degraded
from mnemostream.services.health.judge.rules.words import backlog, lost_folders, no_contact, span, worst_error
from mnemostream.services.health.judge.trends import BEHIND_SECONDS, growing, not_less, saturated_seconds
from mnemostream.services.health.judge.window import StageWindow, rate

AGE_DEGRADED = 60.0
VANISHED_SECONDS = 30.0
"""One of several is silent for so long: gone. The published table is about the stage, which still beats."""
STUCK_SECONDS = 60.0
CRASH_SECONDS = 30.0
OLD_SECONDS = 600.0
REFUSED_SECONDS = 60.0
REDELIVERED_SECONDS = 30.0
EXPLAINED_SECONDS = 100.0
"""A crash, a goodbye or a lost bus explains messages that come again so long after it: `ack_wait`, and then some."""
SATURATED_SECONDS = 30.0
SLOW_LOOP_SECONDS = 5.0
RESUMED_SECONDS = 10.0
"""After a pause of the health service itself, of the machine most likely, the lag of others says the same."""
STREAM_FILLING = 0.80
DISK_LOW_BYTES = 2 << 30


def silent_instances(w: StageWindow, now: float) -> list[str]:
    """Those of which nothing was heard for longer than a busy, or an idle, one may be silent."""
    limit = SILENT_SECONDS if w.busy else VANISHED_SECONDS
    return sorted(name for name, instance in w.alive.items() if instance.age(now) >= limit)


def instance_vanished(w: StageWindow, now: float) -> Verdict | None:
    """Some instances beat, others fell silent without a goodbye; or fewer run than should."""
    silent = [name for name in silent_instances(w, now) if name in w.own]
    beating = len(w.own) - len(silent)
    if not beating:
        return None
    if silent:
        age = max(w.alive[name].age(now) for name in silent)
        names, all_of_them = ", ".join(silent[:3]), counted(len(w.own), "instance")
        cause = f"{names}: no heartbeat for {age:.0f} s; {beating} of {all_of_them} alive"
        return degraded(Reason.INSTANCE_VANISHED, cause)
    if beating < w.desired and now - w.goodbye() >= HANDOVER_SECONDS:
        return degraded(Reason.INSTANCE_VANISHED, f"running: {counted(beating, 'instance')}, expected {w.desired}")
    return None


def instance_stuck(w: StageWindow, now: float) -> Verdict | None:
    """One instance holds work and has finished no part of it for a minute, or does not look for work."""
    for name, instance in sorted(w.alive.items()):
        if instance.unpolled >= UNPOLLED_SECONDS:
            return degraded(Reason.INSTANCE_STUCK, f"{name} {no_contact(w.stage, instance.unpolled)}")
        held = instance.beat.oldest_in_flight_seconds + (instance.age(now) if instance.beat.in_flight else 0.0)
        if instance.beat.in_flight and held >= STUCK_SECONDS:
            work = counted(instance.beat.in_flight, "message")
            cause = f"{name} has held {work} for {held:.0f} s without progress"
            return degraded(Reason.INSTANCE_STUCK, cause)
    return None


def instance_crashed(w: StageWindow, now: float) -> Verdict | None:
    """An instance was gone without a goodbye and runs again."""
    for name, instance in sorted(w.alive.items()):
        if instance.crashed_within(now, CRASH_SECONDS):
            ago = now - instance.crashes[-1]
            return degraded(Reason.INSTANCE_CRASHED, f"{name} crashed and was restarted {ago:.0f} s ago")
    return None


def consumer_recreated(w: StageWindow, now: float) -> Verdict | None:
    """Somebody deleted and recreated a consumer: it reads the log again from its start."""
    return degraded(Reason.CONSUMER_RECREATED, w.recreated) if w.recreated else None


def dead_letters_grew(w: StageWindow, now: float) -> Verdict | None:
    """Messages were dead-lettered a short while ago."""
    if not w.dead_letters_recent:
        return None
    return degraded(Reason.DEAD_LETTERS_GREW, f"dead-lettered in the last 10 minutes: {w.dead_letters_recent}")


def backlog_growing(w: StageWindow, now: float) -> Verdict | None:
    """For a minute more comes in than goes out, or old work waits and it has not become less; and it is no import."""
    if w.importing:
        return None
    if growing(w, now):
        pace = -rate(w.recent(now, BEHIND_SECONDS))
        cause = f"waiting: {backlog(w)}, growing by {pace:.1f} per second; the oldest has waited {w.lag_age(now):.0f} s"
        return degraded(Reason.BACKLOG_GROWING, cause)
    if w.lag_age(now) >= OLD_SECONDS and not_less(w):
        cause = f"waiting: {backlog(w)}, no fewer than 10 minutes ago; the oldest has waited {span(w.lag_age(now))}"
        return degraded(Reason.BACKLOG_GROWING, cause)
    return None


def saturated(w: StageWindow, now: float) -> Verdict | None:
    """All that may be in hand is in hand, or an event loop has no time left."""
    if saturated_seconds(w, now) >= SATURATED_SECONDS:
        cause = f"{w.lag.ack_pending} messages await acknowledgement, which is the limit: no more are delivered"
        return degraded(Reason.SATURATED, cause)
    for name, instance in sorted(w.alive.items() if now - w.resumed_at >= RESUMED_SECONDS else ()):
        if instance.beat.loop_lag_seconds >= SLOW_LOOP_SECONDS and instance.beat.phase is Phase.RUNNING:
            cause = f"the event loop of {name} lagged by {instance.beat.loop_lag_seconds:.1f} s"
            return degraded(Reason.SATURATED, cause)
    return None


def storage_filling(w: StageWindow, now: float) -> Verdict | None:
    """What the stage writes to is nearly full."""
    store = w.storage
    if store.fullness >= STREAM_FILLING:
        return degraded(Reason.STORAGE_FILLING, f"the stream {store.stream} is {store.fullness:.0%} full")
    if store.disk_known and store.disk_free_bytes < DISK_LOW_BYTES:
        cause = f"the disk of {store.disk} has {store.disk_free_bytes / 1e6:.0f} MB left"
        return degraded(Reason.STORAGE_FILLING, cause)
    return None


def files_unreadable(w: StageWindow, now: float) -> Verdict | None:
    """Transcripts that exist and cannot be read, or folders that cannot be listed, are not saved."""
    for name, instance in sorted(w.alive.items()):
        vitals = instance.watcher
        if vitals.unreadable_files:
            cause = f"{name}: {counted(vitals.unreadable_files, 'file')} cannot be read: {vitals.unreadable}"
            return degraded(Reason.FILES_UNREADABLE, cause)
        if vitals.unlistable_folders:
            cause = f"{name}: {counted(vitals.unlistable_folders, 'folder')} cannot be listed: {vitals.unreadable}"
            return degraded(Reason.FILES_UNREADABLE, cause)
    return None


def folder_missing(w: StageWindow, now: float) -> Verdict | None:
    """A folder that was named is not there, or one that held transcripts has nothing in it any more."""
    for name, instance in sorted(w.alive.items()):
        if instance.watcher.missing_folders:
            return degraded(Reason.FOLDER_MISSING, lost_folders(name, instance.watcher))
    return None


def indexing_fails(w: StageWindow, now: float) -> Verdict | None:
    """Rows are stored and the index does not follow: a search finds only the newest of them."""
    for name, instance in sorted(w.alive.items()):
        if error := instance.writer.indexing_failed:
            waiting = instance.writer.unindexed
            cause = f"{name} cannot index what it stores: {error}" + (
                f"; waiting: {counted(waiting, 'exchange')}" if waiting else ""
            )
            return degraded(Reason.INDEXING_FAILS, cause)
    return None


def pulls_refused(w: StageWindow, now: float) -> Verdict | None:
    """The server refuses what an instance asks for: it never gets work, and looks idle."""
    for name, instance in sorted(w.alive.items()):
        if now - instance.refused_at < REFUSED_SECONDS:
            cause = f"{name}: {instance.beat.last_error or 'the server refused its pull request'}"
            return degraded(Reason.PULLS_REFUSED, cause)
    return None


def redelivered(w: StageWindow, now: float) -> Verdict | None:
    """Messages come a second time, and no failure, crash, goodbye or lost bus of the last minutes explains it."""
    last = max((instance.redelivered_at for instance in w.alive.values()), default=float("-inf"))
    if now - last >= REDELIVERED_SECONDS or not w.recent(now, EXPLAINED_SECONDS):
        return None
    crashed = any(instance.crashed_within(now, EXPLAINED_SECONDS) for instance in w.instances.values())
    silent = any(instance.age(now) >= SILENT_SECONDS for instance in w.alive.values())
    if crashed or silent or w.failures or now - w.goodbye() < EXPLAINED_SECONDS:
        return None
    cause = "messages are redelivered although nothing failed: processing starts 30 s late"
    return degraded(Reason.REDELIVERED, cause)


def failing(w: StageWindow, now: float) -> Verdict | None:
    """The published table, middle column: 1 to 4 consecutive failures."""
    if not w.failures:
        return None
    return degraded(Reason.FAILING, f"{w.failures} consecutive failures: {worst_error(w)}")


def heartbeat_late(w: StageWindow, now: float) -> Verdict | None:
    """The published table, middle column: no heartbeat for 60 to 120 s."""
    age = w.age(now)
    if age is None or age < AGE_DEGRADED or w.remote:
        return None
    return degraded(Reason.HEARTBEAT_LATE, f"no heartbeat for {age:.0f} s")


def edge_away(w: StageWindow, now: float) -> Verdict | None:
    """Another machine, which ships here, is asleep, off, or without a network. The last of all: it hides nothing."""
    silent = [name for name in silent_instances(w, now) if name not in w.own]
    if not silent:
        return None
    age = max(w.alive[name].age(now) for name in silent)
    names = ", ".join(silent[:3]) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")
    cause = f"edge {names}: away for {span(age)}; what is written there is shipped when it is back"
    return degraded(Reason.EDGE_AWAY, cause)
