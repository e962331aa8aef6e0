"""Health: heartbeats, JetStream and the database in, one snapshot out.

    HEARTBEATS ──▶ fold ─┐                      ┌──▶ HTTP (every answer is made of the finished snapshot)
    JetStream  ──look──▶ ├──▶ rules (pure) ──▶ snapshot ──▶ HEALTH (status changes: the timeline)
    PostgreSQL ──look──▶ ┘                      └──▶ alerts (webhooks)
      observe/              judge/                   http/ · notify/

The promise: no handler waits for the bus or for what it watches, and what cannot be asked is never called healthy.
Each look has a task and a time limit of its own, so that a frozen database hides nothing of the bus. Killed and
restarted, this process reads the window and the last shown statuses again from their streams.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from mnemostream.contracts.events import Stage
from mnemostream.runtime.clock import Clock, SystemClock
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.tasks import cancel_and_wait
from mnemostream.services.health.http import server
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.judge.snapshot import NOT_ASKED
from mnemostream.services.health.notify import webhooks
from mnemostream.services.health.notify.alerts import Alerts
from mnemostream.services.health.notify.targets import targets
from mnemostream.services.health.notify.timeline import Timeline
from mnemostream.services.health.notify.webhooks import Sender
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests
from mnemostream.services.health.observe.listening import Listening
from mnemostream.services.health.observe.polling import Polling
from mnemostream.services.health.settings import Settings

log = Log("mnemo.health")

GOODBYE_SECONDS = 10.0
"""For the last heartbeat of the health service; then the bus is left without it."""


async def main(settings: Settings, stop: asyncio.Event, clock: Clock | None = None) -> None:
    """Watches until told to stop."""
    sys.setswitchinterval(0.001)  # the metrics are rendered in a thread: no answer waits 5 ms for the interpreter
    clock = clock or SystemClock()
    timeline = Timeline()
    judge = Judge(Observer(clock.now(), settings.grace_seconds, settings.replicas()), timeline.changed)
    judge.observer.samples.eta_seconds = settings.eta_seconds
    alerts = Alerts(settings.webhook_from, settings.webhook_seconds)
    senders = webhooks.senders(targets(settings.webhooks), timeline.delivered)
    cache = SnapshotCache()
    asked = DeadLetterRequests()
    polling = Polling(settings, clock, judge.observer)
    listening = Listening(settings, clock, stop, judge, timeline, alerts)
    async with server.serving(settings, cache, asked, senders), asyncio.TaskGroup() as tasks:
        on_bus = tasks.create_task(listening.run(asked))
        works = [polling.alive(), polling.canary(), polling.disks(), polling.figures(), polling.server()]
        works += [_judge(settings, clock, judge, cache, alerts, senders), *(sender.run() for sender in senders)]
        others = [tasks.create_task(work) for work in works]
        await stop.wait()
        await cancel_and_wait(*others)
        await cancel_and_wait(on_bus, grace=GOODBYE_SECONDS)


async def _judge(
    settings: Settings, clock: Clock, judge: Judge, cache: SnapshotCache, alerts: Alerts, senders: Sequence[Sender]
) -> None:
    """A snapshot a second; silent until bus and database were asked once, so that a restart does not flicker."""
    observer = judge.observer
    while True:
        if NOT_ASKED not in (observer.bus_error, observer.database_error):
            snapshot = judge.snapshot(clock.now())
            cache.put(snapshot)
            for alert in alerts.due(snapshot):
                log.info("alert", component=alert.component, status=alert.status, cause=alert.cause)
                for sender in senders:
                    sender.put(alert)
        await asyncio.sleep(settings.evaluate_seconds)


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.HEALTH)
