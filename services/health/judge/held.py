"""How a status is held against flicker. Pure."""

from __future__ import annotations

from mnemostream.contracts.reasons import Reason
from mnemostream.services.health.judge.rules.verdict import SEVERITY, Status, Verdict

WORSE_AFTER = 2
BETTER_AFTER = 3
AT_ONCE = frozenset(
    {Reason.BUS_UNREACHABLE, Reason.DATABASE_UNREACHABLE, Reason.TOPOLOGY_DRIFT, Reason.MESSAGES_EVICTED}
)
START = Verdict(Status.UNKNOWN, Reason.STARTING, "nothing known yet")


class Held:
    """A status with hysteresis: worse after 2 equal evaluations (at once for root causes), better after 3.

    What was restored counts as one evaluation of an unknown age: something worse shows at once.
    """

    def __init__(self) -> None:
        self.shown = START
        self._restored = False
        self.since = 0.0
        """Wall time since when it is shown."""
        self._next: Status | None = None
        self._count = 0

    def restore(self, verdict: Verdict, since: float) -> None:
        """What an earlier process of this service had shown."""
        self.shown, self.since, self._restored = verdict, since, True

    def take(self, verdict: Verdict, wall: float) -> Verdict:
        """The verdict to show after `verdict` was found."""
        shown, restored = self.shown, self._restored
        self._restored = False
        if shown.status is verdict.status:
            self._next, self._count = None, 0
            self.since = self.since or wall
            self.shown = verdict
            return verdict
        self._count = self._count + 1 if self._next is verdict.status else 1
        self._next = verdict.status
        worse = SEVERITY[verdict.status] > SEVERITY[shown.status]
        # A service that has only just begun to listen shows what it finds first.
        settled = shown.status is Status.UNKNOWN and shown.reason in (Reason.STARTING, Reason.NO_INSTANCE) and not worse
        at_once = settled or (worse and (restored or verdict.reason in AT_ONCE))
        needed = 1 if at_once else WORSE_AFTER if worse else BETTER_AFTER
        if self._count >= needed:
            self.shown, self.since, self._next, self._count = verdict, wall, None, 0
        return self.shown
