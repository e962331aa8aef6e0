"""The status of the end-to-end check: a line that must come out as a row with a vector. Pure."""

from __future__ import annotations

from mnemostream.contracts.reasons import Reason, counted
from mnemostream.services.health.judge.rules.verdict import Verdict, degraded, healthy, unhealthy, unknown
from mnemostream.services.health.judge.window import CanaryState

LOST_PERIODS, LATE_PERIODS = 3, 1.5
"""A canary that has not arrived for so many periods is lost, or late."""


def judge_canary(canary: CanaryState, error: str, now: float, ahead: int = 0) -> Verdict:
    """`ahead` are messages that wait longer than the canary's line, of stages that are well: it waits its turn, as in
    an import."""
    if not canary.period:
        return healthy("off", Reason.CANARY)
    if error:
        return unknown(Reason.CANARY, f"cannot be checked: {error}")
    if canary.error:
        return unhealthy(Reason.CANARY, canary.error)
    waiting = now - canary.waiting_since if canary.waiting_since else 0.0
    if ahead and waiting >= LATE_PERIODS * canary.period:
        return healthy(
            f"a line written {waiting:.0f} s ago is waiting behind {counted(ahead, 'message')}", Reason.CANARY
        )
    if waiting >= LOST_PERIODS * canary.period:
        cause = f"lost: a line written {waiting:.0f} s ago has not become a row with a vector"
        return unhealthy(Reason.CANARY, cause)
    if waiting >= LATE_PERIODS * canary.period:
        return degraded(Reason.CANARY, f"late: a line written {waiting:.0f} s ago has not become a row with a vector")
    if not canary.last_arrived_at:
        return healthy("the first line is on its way", Reason.CANARY)
    return healthy(f"from disk to vector in {canary.last_seconds:.1f} s", Reason.CANARY)
