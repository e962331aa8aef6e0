"""The instances of all stages, folded from their beats; what of it outlives this process. Pure but for its state."""

from __future__ import annotations

import msgspec

from contracts.events import Heartbeat, Phase, Stage
from services.health.judge import rules
from services.health.judge.snapshot import STAGES
from services.health.judge.window import Instance, fold

KEEP_SECONDS = 15 * 60.0
"""A vanished instance is remembered so long."""
STOPPED_SECONDS = 600.0
"""One that said goodbye is remembered so long; the last one for as long as nobody else beats."""
MOST_INSTANCES = 256
"""Most instances of a stage that are followed: lists, labels and the time of a judgement are bounded by it."""
MOST = 2**53
NAME_CHARS, NOTES = 200, 500
OWN_NOTES = 3 * 2 * MOST_INSTANCES + NOTES
"""Of the health service itself, which tells two numbers of each instance of three stages."""
MOST_FAILURES = 10**9
CARRIED, FORGIVEN, LEFT = "failures", "forgiven", "goodbye"
"""Gauges of the health service's own heartbeat, so that its successor knows them: `failures.<stage>.<instance>`, those
of them that are history (`forgiven.<stage>.<instance>`), and the time of `goodbye.<stage>`."""


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
        if all(one.beat.phase is Phase.STOPPED for one in known.values()):
            self.goodbyes[beat.stage] = at

    def _room(self, stage: Stage, at: float) -> bool:
        """True if one more instance can be followed; one that is gone makes room."""
        known = self.of[stage]
        if len(known) < MOST_INSTANCES:
            return True
        name = min(known, key=lambda name: (known[name].beat.phase is not Phase.STOPPED, known[name].at))
        if known[name].beat.phase is Phase.STOPPED or known[name].age(at) > rules.AGE_UNHEALTHY:
            del known[name]
            return True
        self.crowded[stage] = at
        return False

    def forgive(self, stage: Stage) -> None:
        """The dead letters of the stage are dealt with, or old: failures of those with nothing in hand are history."""
        for name, one in self.of[stage].items():
            if not one.beat.in_flight:
                self.of[stage][name] = msgspec.structs.replace(one, carried=0, forgiven=one.beat.consecutive_failures)

    # --- over restarts of the health service --------------------------------------------------------------------

    def carried(self) -> dict[str, float]:
        """What a successor must know, as gauges."""
        known = [(f"{stage}.{name}", one) for stage in STAGES for name, one in self.of[stage].items()]
        failures = {f"{CARRIED}.{name}": float(one.failures) for name, one in known if one.failures}
        forgiven = {f"{FORGIVEN}.{name}": float(one.forgiven) for name, one in known if one.forgiven}
        left = {f"{LEFT}.{stage}": at for stage, at in self.goodbyes.items() if stage in STAGES}
        return {**failures, **forgiven, **left}

    def inherit(self, name: str, value: float, at: float) -> None:
        """One gauge of an earlier process, told at `at`: the stream may hold no beat that tells it."""
        kind, _, whose = name.partition(".")
        stage, _, instance = whose.partition(".")
        if stage not in STAGES:
            return
        known = self.of[Stage(stage)]
        one = known.get(instance)
        if kind == LEFT and not known:
            self.goodbyes[Stage(stage)] = min(value, at)
        if one is None or one.at > at or not 0 <= value <= MOST_FAILURES:
            return
        if kind == CARRIED and one.failures < value:
            carried = int(value) - one.beat.consecutive_failures + one.forgiven
            known[instance] = msgspec.structs.replace(one, carried=carried)
        elif kind == FORGIVEN and value <= one.beat.consecutive_failures:
            known[instance] = msgspec.structs.replace(one, carried=0, forgiven=int(value))

    # --- time in which nobody could be heard --------------------------------------------------------------------

    def unheard(self, gap: float, now: float) -> None:
        """The bus was lost for `gap` seconds: nobody is to blame for the silence."""
        for known in self.of.values():
            for name, one in known.items():
                known[name] = msgspec.structs.replace(one, at=min(now, one.at + gap))

    def shift(self, gap: float) -> None:
        """The clock jumped, or this process did not run: all that was seen is moved."""
        self.goodbyes = {stage: at + gap for stage, at in self.goodbyes.items()}
        for known in self.of.values():
            for name, one in known.items():
                crashes = tuple(crash + gap for crash in one.crashes)
                times = {"at": one.at + gap, "first_at": one.first_at + gap, "refused_at": one.refused_at + gap}
                times["redelivered_at"] = one.redelivered_at + gap
                known[name] = msgspec.structs.replace(one, **times, crashes=crashes)

    # --- who counts ---------------------------------------------------------------------------------------------

    def known(self, stage: Stage, now: float) -> dict[str, Instance]:
        """Without those that are long gone, and without vanished ones whose place another has taken."""
        self._forget(stage, now)
        known = self.of[stage]
        alive = {name: one for name, one in known.items() if one.beat.phase is not Phase.STOPPED}
        heard = [one for one in alive.values() if one.age(now) < rules.SILENT_SECONDS]
        fresh = sorted((_place(one), one.first_at) for one in heard)
        gone = sorted((one.at, name) for name, one in alive.items() if one.age(now) > rules.AGE_UNHEALTHY)
        replaced = set()
        for at, name in reversed(gone):
            newer = [entry for entry in fresh if entry[0] == _place(alive[name]) and entry[1] > at]
            if newer:
                fresh.remove(newer[-1])
                replaced.add(name)
        return {name: one for name, one in known.items() if name not in replaced}

    def _forget(self, stage: Stage, now: float) -> None:
        known = self.of[stage]
        bye = [one.at for one in known.values() if one.beat.phase is Phase.STOPPED]
        for name, one in list(known.items()):
            stopped = one.beat.phase is Phase.STOPPED
            old = one.age(now) > (STOPPED_SECONDS if stopped else KEEP_SECONDS)
            if name in known and old and not (stopped and one.at == max(bye)):
                del known[name]
                if not stopped:
                    _without_goodbyes(known, one.at)

    def backlog(self, now: float) -> int:
        """Bytes that the watchers know of and have not shipped. What one that is gone had to do is not known, while
        others beat."""
        alive = [one for one in self.known(Stage.WATCHER, now).values() if one.beat.phase is not Phase.STOPPED]
        heard = [one for one in alive if one.age(now) < rules.VANISHED_SECONDS]
        gauges = [one.beat.gauges for one in heard or alive]
        return max(0, int(sum(g.get("backlog_bytes", 0) - g.get("unreadable_bytes", 0) for g in gauges)))


def _place(one: Instance) -> str:
    """Where nobody but its like can stand in for it: a watcher reads the disk of its machine."""
    return one.beat.notes.get("host", "") if one.beat.stage is Stage.WATCHER else ""


def _without_goodbyes(known: dict[str, Instance], before: float) -> None:
    """A goodbye from before another instance vanished does not explain that nobody runs."""
    for name, one in list(known.items()):
        if one.at <= before and one.beat.phase is Phase.STOPPED:
            del known[name]


def sane(beat: Heartbeat) -> bool:
    """Numbers that can be counted with and names that can be shown: what is not is no heartbeat."""
    counts = (beat.sequence, beat.pid, beat.processed, beat.failed, beat.consecutive_failures, beat.in_flight)
    times = (beat.sent_at, beat.uptime_seconds, beat.last_progress_at, beat.last_poll, beat.interval_seconds)
    rest = (beat.oldest_in_flight_seconds, beat.loop_lag_seconds, *beat.gauges.values())
    notes = OWN_NOTES if beat.stage is Stage.HEALTH else NOTES
    return (
        all(0 <= count < MOST for count in (*counts, beat.last_import_count, beat.total_imported))
        and all(0 <= time < MOST for time in times)
        and all(abs(value) < MOST for value in rest)
        and 0 < len(beat.instance) <= NAME_CHARS
        and len(beat.gauges) + len(beat.notes) <= notes
    )
