"""A status with the reason for it. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from mnemostream.contracts.reasons import Reason


class Status(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


SEVERITY = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNKNOWN: 2, Status.UNHEALTHY: 3}


class Verdict(msgspec.Struct, frozen=True):
    """A status, the code of the rule that gave it, and the cause in words."""

    status: Status
    reason: Reason
    cause: str


def unknown(reason: Reason, cause: str) -> Verdict:
    return Verdict(Status.UNKNOWN, reason, cause)


def unhealthy(reason: Reason, cause: str) -> Verdict:
    return Verdict(Status.UNHEALTHY, reason, cause)


def degraded(reason: Reason, cause: str) -> Verdict:
    return Verdict(Status.DEGRADED, reason, cause)


def healthy(cause: str, reason: Reason = Reason.HEALTHY) -> Verdict:
    return Verdict(Status.HEALTHY, reason, cause)
