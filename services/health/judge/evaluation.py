"""Judges what the observer has seen, damps flicker, and notices what changed. Pure but for its state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from mnemostream.contracts import topology
from mnemostream.contracts.events import HealthChanged, Stage
from mnemostream.contracts.reasons import NEXT_STEPS, Reason
from mnemostream.services.health.judge.held import START, Held
from mnemostream.services.health.judge.issues import issues
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.rules.canary import judge_canary
from mnemostream.services.health.judge.rules.table import judge
from mnemostream.services.health.judge.rules.verdict import (
    SEVERITY,
    Status,
    Verdict,
    degraded,
    healthy,
    unhealthy,
    unknown,
)
from mnemostream.services.health.judge.snapshot import NOT_ASKED, STAGES, Component, Snapshot
from mnemostream.services.health.judge.window import CanaryState, StageWindow

ARRIVING_SECONDS = 20.0
"""From the last message before the canary's line to its row with a vector, at most."""
CHANGES = 1000
COMPONENTS = ("bus", "database", *(str(stage) for stage in STAGES), "canary")


class Judge:
    """`snapshot` is called with the wall time; `on_change` hears of every status that is shown anew."""

    def __init__(self, observer: Observer, on_change: Callable[[HealthChanged], None] = lambda change: None) -> None:
        self.observer = observer
        self.on_change = on_change
        self.held = {name: Held() for name in (*COMPONENTS, "overall")}
        self.changes: deque[HealthChanged] = deque(maxlen=CHANGES)
        self._queued_at = float("-inf")
        self._given_up: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        """Dead letters of the last ten minutes, at the last judgement."""

    def restore(self, past: Sequence[HealthChanged], *, shown: bool = True) -> None:
        """Status changes of the past, in stream order; `shown` = nobody stopped watching since. They come before
        those of this process; what it has judged already (the bus was away when it began) is newer."""
        self.changes = deque([*past, *self.changes], maxlen=CHANGES)
        for name, change in {change.component: change for change in past}.items():
            known = change.after in set(Status) and change.reason in set(Reason)
            if shown and known and name in self.held and self.held[name].shown is START:
                verdict = Verdict(Status(change.after), Reason(change.reason), change.cause)
                self.held[name].restore(verdict, change.at)

    def snapshot(self, wall: float) -> Snapshot:
        """Judges everything."""
        observer = self.observer
        now = observer.clock.tick(wall)
        self._forgive()
        windows = {stage: observer.window(stage) for stage in STAGES}
        bus_error, database_error = observer.bus_fault, observer.database_fault
        verdicts = {
            "bus": self._bus(bus_error),
            "database": _reachable(Reason.DATABASE_UNREACHABLE, database_error),
            **{str(stage): judge(window, now) for stage, window in windows.items()},
        }
        self._queue(_queued_before(windows, verdicts, observer.canary), now)
        verdicts["canary"] = self._canary(bus_error or database_error, now)
        for name, verdict in verdicts.items():
            self._take(name, verdict, wall)
        overall = self._show_overall(wall)
        components = {name: Component(self.held[name].shown, self.held[name].since) for name in COMPONENTS}
        return Snapshot(
            at=wall,
            now=now,
            status=overall.status,
            cause=overall.cause,
            since=self.held["overall"].since,
            components=components,
            settling=observer.settling(),
            windows=windows,
            bus=observer.bus,
            bus_error=bus_error,
            database_error=database_error,
            canary=observer.canary,
            figures=observer.figures,
            coverage=observer.coverage,
            recent=observer.recent,
            ledger=observer.ledger,
            hourly=observer.hourly,
            daily=observer.daily,
            dead_letters=sorted(observer.dead_letters.values(), key=lambda letter: -letter.sequence),
            changes=list(self.changes),
            disks=dict(observer.disks),
            issues=issues(components, windows, observer, now),
        )

    def _forgive(self) -> None:
        """Failures whose messages were dead-lettered are history when the letters are dealt with, or old."""
        for stage in STAGES:
            before, self._given_up[stage] = self._given_up[stage], self.observer.dead_letters_of(stage)[1]
            if before and not self._given_up[stage]:
                self.observer.instances.forgive(stage)

    def _bus(self, error: str) -> Verdict:
        """A stream that no stage reads or writes has no stage to tell of it."""
        wrong = self.observer.bus.wrong
        drift = next((wrong[stream.name] for stream in topology.STREAMS if stream.name in wrong), "")
        if drift and not error:
            return degraded(Reason.TOPOLOGY_DRIFT, f"{drift}; {NEXT_STEPS[Reason.TOPOLOGY_DRIFT]}")
        return _reachable(Reason.BUS_UNREACHABLE, error)

    def _queue(self, before: int | None, now: float) -> None:
        """Whether the canary's line waits its turn. When nothing is before it any more, it is given time to arrive."""
        if before:
            self.observer.queued_before_canary, self._queued_at = before, now
        elif before is None or now - self._queued_at >= ARRIVING_SECONDS:
            self.observer.queued_before_canary = 0

    def _canary(self, error: str, now: float) -> Verdict:
        """Until the first line has arrived, what was shown before goes on: a restart proves nothing."""
        canary = self.observer.canary
        verdict = judge_canary(canary, error, now, self.observer.queued_before_canary)
        first = canary.period and not canary.last_arrived_at and not error
        if first and verdict.status is Status.HEALTHY:
            shown = self.held["canary"].shown
            known = shown.reason is verdict.reason and shown.cause != "off"
            return shown if known else unknown(verdict.reason, verdict.cause)
        return verdict

    def _show_overall(self, wall: float) -> Verdict:
        overall, held = self._overall(), self.held["overall"]
        if held.shown.status is not overall.status:
            self._tell("overall", held, overall, wall)
            held.since = wall
        held.shown = overall
        return overall

    def _overall(self) -> Verdict:
        """The worst component; root cause first. A canary of which no line has arrived yet says nothing of the rest."""
        if self.held["bus"].shown.status is Status.UNHEALTHY:
            return self.held["bus"].shown
        shown = {name: self.held[name].shown for name in COMPONENTS if name != "database"}
        if shown["canary"].status is Status.UNKNOWN:
            del shown["canary"]
        name, verdict = max(shown.items(), key=lambda item: SEVERITY[item[1].status])
        if verdict.status is Status.HEALTHY:
            return healthy("all stages are healthy", verdict.reason)
        return Verdict(verdict.status, verdict.reason, f"{name}: {verdict.cause}")

    def _take(self, name: str, verdict: Verdict, wall: float) -> None:
        held = self.held[name]
        before, since = held.shown, held.since
        shown = held.take(verdict, wall)
        if shown.status is not before.status:
            after, held.shown, held.since = held.shown, before, since
            self._tell(name, held, after, wall)
            held.shown, held.since = after, wall

    def _tell(self, name: str, before: Held, after: Verdict, wall: float) -> None:
        failures = 0
        if name in STAGES:
            failures = max(
                (instance.failures for instance in self.observer.instances.of[Stage(name)].values()), default=0
            )
        change = HealthChanged(
            component=name,
            before=before.shown.status,
            after=after.status,
            cause=after.cause,
            at=wall,
            seconds=max(0.0, wall - before.since) if before.since else 0.0,
            consecutive_failures=failures,
            reason=after.reason,
        )
        self.changes.append(change)
        self.on_change(change)


def _queued_before(
    windows: Mapping[Stage, StageWindow], verdicts: Mapping[str, Verdict], canary: CanaryState
) -> int | None:
    """Messages that wait longer than the canary's line; None if those who have them in hand are not well."""
    after = [windows[stage] for stage in (Stage.EMBEDDER, Stage.WRITER)]
    if any(verdicts[window.stage].status is not Status.HEALTHY for window in after):
        return None
    until = canary.waiting_since + canary.period  # its own message is stored a little later than it was written
    return sum(w.lag.total for w in after if w.lag.total and 0 < w.oldest_at <= until)


def _reachable(reason: Reason, error: str) -> Verdict:
    if not error:
        return healthy("reachable", reason)
    return unknown(reason, error) if error == NOT_ASKED else unhealthy(reason, error)
