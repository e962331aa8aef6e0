"""Which status changes become an alert, and when. Pure: changes and time in, alerts out.

One alert a component: a stage that is `unknown` because the bus is gone, or a writer that waits for the database,
says nothing of its own. Within the least interval only the last state of a component is kept, and told at its end
if it still differs from what was told last: a flicker is one message, not ten. Graver is told at
once. Healthy again is a message too.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mnemostream.contracts.events import AlertDelivered
from mnemostream.contracts.reasons import NEXT_STEPS
from mnemostream.services.health.judge.issues import CONSEQUENCES
from mnemostream.services.health.judge.rules.verdict import SEVERITY, Status
from mnemostream.services.health.judge.snapshot import Snapshot


class Alert(msgspec.Struct, frozen=True):
    """One message to people: a component has a fault, or has none any more (`resolved`)."""

    id: str
    """Equal for every try to deliver it, so that a receiver can drop a repeat."""
    component: str
    status: str
    before: str
    reason: str
    cause: str
    at: float
    resolved: bool
    seconds: float
    """How long the fault has lasted, for a resolved one."""
    fault_since: float = 0.0
    """Unix time at which it began; 0 for a resolved one."""
    next_step: str = ""
    """What a person does next, in the words of the API and the page; empty = nothing."""


class _Told(msgspec.Struct):
    status: str
    reason: str
    at: float
    fault_since: float


class Alerts:
    """`changed` with every snapshot; what comes back is to be sent."""

    def __init__(self, least: str, interval: float) -> None:
        self.least = SEVERITY[Status(least)]
        self.interval = interval
        self._told: dict[str, _Told] = {}

    def restore(self, delivered: Iterable[AlertDelivered]) -> None:
        """What earlier processes of this service have told already, in its order. What this one has told is newer."""
        latest = {alert.component: alert for alert in delivered if alert.status in set(Status)}
        for name, alert in latest.items():
            self._told.setdefault(name, _Told(alert.status, alert.reason, alert.at, alert.fault_since))

    def due(self, snapshot: Snapshot) -> list[Alert]:
        """Alerts that are to be sent now."""
        alerts = []
        for name, component in snapshot.components.items():
            verdict = component.verdict
            fault = self._is_fault(verdict.status, verdict.reason, name)
            if fault and name in snapshot.settling:
                continue
            if not fault and verdict.status is not Status.HEALTHY:
                continue  # unknown, or a consequence, or below what is told: no news of recovery
            status = verdict.status if fault else Status.HEALTHY
            previous = self._told.get(name) or _Told(Status.HEALTHY, "", float("-inf"), 0.0)
            same = previous.status == status and (not fault or previous.reason == verdict.reason)
            worse = SEVERITY[Status(status)] > SEVERITY[Status(previous.status)]
            graver = worse and (status is Status.UNHEALTHY or previous.status != Status.HEALTHY)
            if same or (0 <= snapshot.at - previous.at < self.interval and not graver):
                continue
            began = previous.fault_since or component.since
            seconds = max(0.0, component.since - began) if not fault else 0.0
            alerts.append(
                Alert(
                    id=f"{name}:{status}:{snapshot.at:.3f}",
                    component=name,
                    status=status,
                    before=previous.status,
                    reason=verdict.reason,
                    cause=verdict.cause,
                    at=snapshot.at,
                    resolved=not fault,
                    seconds=seconds,
                    fault_since=began if fault else 0.0,
                    next_step=NEXT_STEPS.get(verdict.reason, "") if fault else "",
                )
            )
            self._told[name] = _Told(status, verdict.reason, snapshot.at, began if fault else 0.0)
        return alerts

    def _is_fault(self, status: Status, reason: str, component: str) -> bool:
        consequence = component not in ("bus", "database") and reason in CONSEQUENCES
        return status is not Status.UNKNOWN and SEVERITY[status] >= self.least and not consequence
