"""The instances of all stages, folded from their heartbeats. Pure but for its state."""

from __future__ import annotations

import msgspec

from mnemostream.contracts import vitals
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.services.health.judge.beats import Instance, fold
from mnemostream.services.health.judge.rules.failing import AGE_UNHEALTHY, SILENT_SECONDS
from mnemostream.services.health.judge.rules.impaired import VANISHED_SECONDS

KEEP_SECONDS = 15 * 60.0
"""A vanished instance is remembered so long."""
STOPPED_SECONDS = 600.0
"""One that said goodbye is remembered so long; the last one for as long as nobody else beats."""
MOST_INSTANCES = 256
"""Most instances of a stage that are followed: lists, labels and the time of a judgement are bounded by it."""
MOST = 2**53
NAME_CHARS = 200
MOST_FAILURES = 10**9


class Instances:
    """Fed with beats in stream order, asked for the instances that count."""

    def __init__(self) -> None:
        self.of: dict[Stage, dict[str, Instance]] = {stage: {} for stage in Stage}
        self.done: dict[Stage, int] = dict.fromkeys(Stage, 0)
        """Pieces of work finished by all instances of a stage, over restarts."""
        self.progress: dict[Stage, int] = dict.fromkeys(Stage, 0)
        """How often a part of a piece was finished."""
        self.goodbyes: dict[Stage, float] = {}
        """When the last instance of a stage said goodbye, after which none was left."""
        self.crowded: dict[Stage, float] = {}
        """When an instance beat that is not followed."""

    def beat(self, beat: Heartbeat, at: float) -> None:
        """One heartbeat, received at `at`."""
        known = self.of[beat.stage]
        before = known.get(beat.instance)
        if before is None and not self._room(beat.stage, at):
            return
        after = known[beat.instance] = fold(before, beat, at)
        if after is before:
            return
        same = before is not None and before.beat.boot_id == beat.boot_id
        if before and same and before.beat.last_progress_at != beat.last_progress_at:
            self.progress[beat.stage] += 1
        self.done[beat.stage] += max(0, beat.processed - (before.beat.processed if before and same else 0))
        self.goodbyes.pop(beat.stage, None)
        if all(instance.beat.phase is Phase.STOPPED for instance in known.values()):
            self.goodbyes[beat.stage] = at

    def _room(self, stage: Stage, at: float) -> bool:
        """True if one more instance can be followed; one that is gone makes room."""
        known = self.of[stage]
        if len(known) < MOST_INSTANCES:
            return True
        name = min(known, key=lambda name: (known[name].beat.phase is not Phase.STOPPED, known[name].at))
        if known[name].beat.phase is Phase.STOPPED or known[name].age(at) > AGE_UNHEALTHY:
            del known[name]
            return True
        self.crowded[stage] = at
        return False

    def forgive(self, stage: Stage) -> None:
        """The dead letters of the stage are dealt with, or old: failures of those with nothing in hand are history."""
        for name, instance in self.of[stage].items():
            if not instance.beat.in_flight:
                self.of[stage][name] = msgspec.structs.replace(
                    instance, carried=0, forgiven=instance.beat.consecutive_failures
                )

    def remember(self, name: str, failures: int, forgiven: int, at: float) -> None:
        """What an earlier process of this service knew at `at` of `<stage>.<instance>`: the stream may hold no
        heartbeat that tells it."""
        stage, _, own_name = name.partition(".")
        known = self.of[Stage(stage)] if stage in set(Stage) else {}
        instance = known.get(own_name)
        if instance is None or instance.at > at:
            return
        if 0 < forgiven <= instance.beat.consecutive_failures:
            instance = msgspec.structs.replace(instance, carried=0, forgiven=forgiven)
        if instance.failures < failures <= MOST_FAILURES:
            carried = failures - instance.beat.consecutive_failures + instance.forgiven
            instance = msgspec.structs.replace(instance, carried=carried)
        known[own_name] = instance

    # --- who counts ---------------------------------------------------------------------------------------------

    def known(self, stage: Stage, now: float) -> dict[str, Instance]:
        """Without those that are long gone, and without vanished ones whose place another has taken."""
        self._forget(stage, now)
        known = self.of[stage]
        alive = {name: instance for name, instance in known.items() if instance.beat.phase is not Phase.STOPPED}
        heard = [instance for instance in alive.values() if instance.age(now) < SILENT_SECONDS]
        fresh = sorted((_place(instance), instance.first_at) for instance in heard)
        gone = sorted((instance.at, name) for name, instance in alive.items() if instance.age(now) > AGE_UNHEALTHY)
        replaced = set()
        for at, name in reversed(gone):
            newer = [entry for entry in fresh if entry[0] == _place(alive[name]) and entry[1] > at]
            if newer:
                fresh.remove(newer[-1])
                replaced.add(name)
        return {name: instance for name, instance in known.items() if name not in replaced}

    def _forget(self, stage: Stage, now: float) -> None:
        known = self.of[stage]
        bye = [instance.at for instance in known.values() if instance.beat.phase is Phase.STOPPED]
        for name, instance in list(known.items()):
            stopped = instance.beat.phase is Phase.STOPPED
            old = instance.age(now) > (STOPPED_SECONDS if stopped else KEEP_SECONDS)
            if name in known and old and not (stopped and instance.at == max(bye)):
                del known[name]
                if not stopped:
                    _without_goodbyes(known, instance.at)

    def backlog(self, now: float) -> int | None:
        """Bytes that the watchers know of and have not shipped; None while none of them tells it. What one that is gone
        had to do is not known, while others beat."""
        alive = [
            instance for instance in self.known(Stage.WATCHER, now).values() if instance.beat.phase is not Phase.STOPPED
        ]
        alive = [instance for instance in alive if not instance.watcher.edge] or alive  # edges ship when they can
        heard = [instance for instance in alive if instance.age(now) < VANISHED_SECONDS]
        reports = [instance.watcher for instance in heard or alive if instance.watcher.backlog_bytes is not None]
        if not reports:
            return None
        return max(0, sum((report.backlog_bytes or 0) - (report.unreadable_bytes or 0) for report in reports))


def _place(instance: Instance) -> str:
    """Where nobody but its like can stand in for it: a watcher reads the disk of its machine."""
    return instance.watcher.host or ""


def _without_goodbyes(known: dict[str, Instance], before: float) -> None:
    """A goodbye from before another instance vanished does not explain that nobody runs."""
    for name, instance in list(known.items()):
        if instance.at <= before and instance.beat.phase is Phase.STOPPED:
            del known[name]


def is_valid(beat: Heartbeat) -> bool:
    """Numbers that can be counted with and names that can be shown: what is not is no heartbeat."""
    counts = (beat.sequence, beat.pid, beat.processed, beat.failed, beat.consecutive_failures, beat.in_flight)
    more = (beat.last_import_count, beat.total_imported, beat.polls or 0, beat.pulls_refused or 0)
    times = (beat.sent_at, beat.uptime_seconds, beat.last_progress_at, beat.last_poll, beat.interval_seconds)
    rest = (beat.oldest_in_flight_seconds, beat.loop_lag_seconds, beat.redelivered or 0)
    report = beat.vitals
    return (
        all(0 <= count < MOST for count in (*counts, *more))
        and all(0 <= time < MOST for time in times)
        and all(abs(value) < MOST for value in rest)
        and 0 < len(beat.instance) <= NAME_CHARS
        and (report is None or (vitals.bounded(report) and all(abs(value) < MOST for value in vitals.numbers(report))))
    )
