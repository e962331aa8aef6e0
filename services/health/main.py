"""Health: heartbeats, JetStream and the database in, one snapshot out.

    HEARTBEATS ──▶ fold ─┐                      ┌──▶ HTTP (every answer is made of the finished snapshot)
    JetStream  ──look──▶ ├──▶ rules (pure) ──▶ snapshot ──▶ HEALTH (status changes: the timeline)
    PostgreSQL ──look──▶ ┘                      └──▶ alerts (webhooks)

The promise: no handler waits for the bus or for what it watches, and what cannot be asked is never called healthy.
Each look has a task and a time limit of its own, so that a frozen database hides nothing of the bus. Killed and
restarted, this process reads the window and the last shown statuses again from their streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import msgspec
import nats.errors
import uvicorn
from nats.aio.msg import Msg
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import Heartbeat, Phase, Stage
from runtime import bus, heartbeat, provision
from runtime.bus import Bus
from runtime.clock import Clock, SystemClock
from runtime.errors import Misconfigured, Transient
from runtime.heartbeat import Beat
from runtime.logs import Log
from runtime.process import lifecycle
from runtime.tasks import ended
from services.health.http import api
from services.health.http.protocol import head_as_get
from services.health.http.snapshot_cache import Desk
from services.health.judge.instances import sane
from services.health.judge.observer import CONSUMERS, Observer
from services.health.judge.snapshot import NOT_ASKED, STAGES
from services.health.judge.window import BusState
from services.health.notify import webhooks
from services.health.notify.alerts import Alerts
from services.health.notify.targets import targets
from services.health.notify.timeline import Timeline, past
from services.health.observe import probe
from services.health.observe.dead_letters import Letters
from services.health.observe.history import history
from services.health.observe.polling import Storage
from services.health.observe.probe import Store
from services.health.settings import Settings

log = Log("mnemo.health")

GOODBYE_SECONDS = 10.0
"""For the last beat of the health service; then the bus is left without it."""
SEAMLESS_SECONDS = 60.0
"""A predecessor that was heard so long ago, at most, has watched until now: what it had shown goes on."""
AGES_SECONDS = 5.0
"""Least time between two looks at the age of a waiting message, which costs reading it."""


async def main(settings: Settings, stop: asyncio.Event, clock: Clock | None = None) -> None:
    """Watches until told to stop."""
    sys.setswitchinterval(0.001)  # the metrics are rendered in a thread: no answer waits 5 ms for the interpreter
    await _Health(settings, clock or SystemClock(), stop).run()


class _Health:
    """The tasks of this process and what they share."""

    def __init__(self, settings: Settings, clock: Clock, stop: asyncio.Event) -> None:
        self.settings = settings
        self.clock = clock
        self.stop = stop
        self.beat = Beat(Stage.HEALTH, settings.instance_name, settings.heartbeat_seconds, clock)
        self.timeline = Timeline()
        self.observer = Observer(clock.now(), settings.grace_seconds, settings.replicas(), self.timeline.changed)
        self.storage = Storage(settings, clock, self.observer)
        self.desk = Desk()
        self.letters = Letters(self.observer)
        self.alerts = Alerts(settings.webhook_from, settings.webhook_seconds)
        self.senders = webhooks.senders(targets(settings.webhooks), self.timeline.delivered)
        self.remembered = False
        self.predecessor_at = 0.0
        """When an earlier process of this service was last heard."""
        self._ages: dict[str, tuple[int, float]] = {}
        self._aged_at = 0.0

    async def run(self) -> None:
        settings = self.settings
        pages = Store(settings.postgres_dsn, "pages", 3.0)
        server = _Server(
            uvicorn.Config(
                head_as_get(api.build(settings, self.desk, pages, self.senders), api.EVENTS),
                host=settings.bind,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
            )
        )
        serving = asyncio.create_task(server.serve(), name="http")
        try:
            async with asyncio.TaskGroup() as tasks:
                storage = self.storage
                works = [
                    self._bus(),
                    storage.alive(),
                    storage.canary(),
                    storage.disks(),
                    storage.figures(),
                    storage.server(),
                ]
                works += [self._judge(), *(sender.run() for sender in self.senders)]
                running = [tasks.create_task(work) for work in works]
                await self.stop.wait()
                await ended(*running[1:])
                await ended(running[0], grace=GOODBYE_SECONDS)
        finally:
            server.should_exit = True
            await serving
            await pages.close()

    # --- the bus ------------------------------------------------------------------------------------------------

    async def _bus(self) -> None:
        """Connects, listens, looks; begins anew when that fails."""
        settings, observer = self.settings, self.observer
        while not self.stop.is_set():
            try:
                name = f"health {settings.instance_name}"
                async with bus.connect(settings.nats_url, name=name, within=probe.TIMEOUT) as nats:
                    await self._remember(nats)
                    async with heartbeat.beating(nats, self.beat), asyncio.TaskGroup() as tasks:
                        await heartbeat.enter(nats, self.beat, Phase.RUNNING)
                        helpers = [tasks.create_task(self.letters.requests(nats, self.desk), name="requests")]
                        helpers.append(tasks.create_task(self.timeline.run(nats), name="timeline"))
                        helpers.append(tasks.create_task(self._details(nats), name="details"))
                        await self._look(nats)
                        await ended(*helpers)
            except Transient as error:
                observer.probed(BusState(error=str(error)), self.clock.now())
                await self._rest(settings.probe_seconds)

    async def _remember(self, nats: Bus) -> None:
        """All beats of the window and the statuses that were shown, then live. Raises Transient."""
        heard: list[tuple[float, Msg]] = []
        live = False

        async def take(message: Msg) -> None:
            if live:
                self._fold(self.clock.now(), message.subject, message.data, live=True)
            else:
                heard.append((self.clock.now(), message))

        await nats.client.subscribe(subjects.HEARTBEATS, cb=take)
        state = await probe.bus_state(nats, self.clock.now())
        if state.error:
            raise Transient(state.error)
        await self._mend(nats, state)
        known: set[bytes] = set()
        async for stored in history(nats, topology.HEARTBEATS.name):
            known.add(stored.payload)
            self._fold(stored.at - state.clock_ahead, stored.subject, stored.payload, live=False)
        if not self.remembered and topology.HEALTH.name in state.streams:
            await self._restore(nats, state)
        live = True
        for at, message in heard:
            if message.data not in known:
                self._fold(at, message.subject, message.data, live=False)
        self.remembered = True

    async def _restore(self, nats: Bus, state: BusState) -> None:
        """The statuses that an earlier process had shown; of one that ended long ago, only the list of its changes."""
        changes, delivered = await past(nats, state.streams[topology.HEALTH.name].last)
        seamless = self.clock.now() - self.predecessor_at < SEAMLESS_SECONDS
        self.observer.restore(changes, shown=seamless)
        self.alerts.restore(delivered)

    async def _mend(self, nats: Bus, state: BusState) -> None:
        """The streams that are in memory come back by themselves."""
        if _forgotten(state):
            try:
                await provision.volatile(nats.stream)
            except (Misconfigured, *nats_errors, TimeoutError, OSError) as error:
                raise Transient(f"heartbeats cannot be kept: {error or type(error).__name__}") from error

    async def _mended(self, nats: Bus) -> BusState:
        """What the bus is after the streams in memory were made anew; nobody is told of a gap of a second."""
        try:
            await self._mend(nats, BusState())
        except Transient as error:
            log.warning("heartbeats are not kept", error=str(error))
        return await probe.bus_state(nats, self.clock.now())

    def _fold(self, at: float, subject: str, payload: bytes, *, live: bool) -> None:
        """Only what an instance says of itself: its user may publish under its own stage's subject and no other."""
        try:
            event = codec.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("heartbeat not understood", subject=subject[:200], error=str(error)[:200])
            return
        if not isinstance(event, Heartbeat) or event.boot_id == self.beat.boot_id:
            return
        if subject != subjects.heartbeat(event.stage, event.instance) or not sane(event):
            log.warning("heartbeat makes no sense", subject=subject[:200])
            return
        if event.stage is Stage.HEALTH:
            self.predecessor_at = max(self.predecessor_at, at)
        self.observer.beat(event, at, live=live)

    async def _look(self, nats: Bus) -> None:
        while not self.stop.is_set():
            state = await probe.bus_state(nats, self.clock.now())
            if not state.error and _forgotten(state):
                state = await self._mended(nats)
            self.observer.probed(state, self.clock.now())
            self.beat.gauges, self.beat.notes = self.observer.carried()
            if not state.error:
                self.beat.polled()
                self.beat.succeeded(1)
                self.timeline.again()
            await self._rest(self.settings.probe_seconds)

    async def _details(self, nats: Bus) -> None:
        """What takes longer than a look: letters and ages. In its own time, so that no look waits."""
        while True:
            await asyncio.sleep(self.settings.probe_seconds)
            if self.observer.bus_error:
                continue
            try:
                await self._age(nats)
                await self.letters.look(nats)
            except Transient as error:
                log.warning("bus only half answers", error=str(error))

    async def _age(self, nats: Bus) -> None:
        """When the oldest message that waits was stored, for each consumer."""
        now = self.clock.now()
        if now - self._aged_at < AGES_SECONDS:
            return
        self._aged_at = now
        for consumer in (one for stage in STAGES for one in CONSUMERS[stage]):
            name = f"{consumer.stream}.{consumer.name}"
            state = self.observer.bus.consumers.get(name)
            if state is None or not state.lag.total:
                self.observer.oldest.pop(name, None)
                continue
            if self._ages.get(name, (-1, 0.0))[0] != state.ack_floor:
                stored = await probe.stored_at(nats, consumer.stream, state.ack_floor + 1)
                self._ages[name] = state.ack_floor, stored and stored - self.observer.bus.clock_ahead
            self.observer.oldest[name] = self._ages[name][1]

    # --- the judge ----------------------------------------------------------------------------------------------

    async def _judge(self) -> None:
        """A snapshot a second; silent until bus and database were asked once, so that a restart does not flicker."""
        observer = self.observer
        while True:
            if NOT_ASKED not in (observer.bus_error, observer.database_error):
                snapshot = observer.snapshot(self.clock.now())
                self.desk.put(snapshot)
                for alert in self.alerts.due(snapshot):
                    log.info("alert", component=alert.component, status=alert.status, cause=alert.cause)
                    for sender in self.senders:
                        sender.put(alert)
            await asyncio.sleep(self.settings.evaluate_seconds)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()


def _forgotten(state: BusState) -> bool:
    """True when a lone server was started again: what was in memory is gone."""
    return any(stream.name not in state.streams for stream in topology.VOLATILE)


nats_errors = (nats.errors.Error, APIError)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the lifecycle has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.HEALTH)
