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
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
import nats.errors
import uvicorn
from nats.aio.msg import Msg
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import HealthChanged, Heartbeat, Phase, Stage
from runtime import bus, heartbeat, lifecycle
from runtime.bus import Bus, Message
from runtime.clock import Clock, SystemClock
from runtime.errors import Permanent, Transient
from runtime.heartbeat import Beat
from runtime.logs import Log
from services.health import api, probe, webhooks
from services.health.alerts import Alerts
from services.health.canary import Canary
from services.health.desk import Desk
from services.health.history import history
from services.health.letters import Letters
from services.health.observer import CHANGES, CONSUMERS, Observer
from services.health.probe import FAILURES, Store
from services.health.settings import Settings
from services.health.snapshot import NOT_ASKED, STAGES
from services.health.targets import targets
from services.health.window import BusState

log = Log("mnemo.health")

RECENT = 1000
"""Conversations that can be paged through."""
IMPORT_DAYS = 365
FIGURES_TIMEOUT = 60.0
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
        self.untold: deque[HealthChanged] = deque(maxlen=CHANGES)
        """Status changes that the bus has not stored yet."""
        self.told = asyncio.Event()
        """Set when there is something in `untold`."""
        self.observer = Observer(clock.now(), settings.grace_seconds, settings.replicas(), self._changed)
        self.folders = settings.folders()
        self.desk = Desk()
        self.letters = Letters(self.observer)
        self.alerts = Alerts(settings.webhook_from, settings.webhook_seconds)
        self.senders = webhooks.senders(targets(settings.webhooks))
        self.remembered = False
        self._ages: dict[str, tuple[int, float]] = {}
        self._aged_at = 0.0

    async def run(self) -> None:
        settings = self.settings
        pages = Store(settings.postgres_dsn, "pages", 3.0)
        server = _Server(
            uvicorn.Config(
                api.build(settings, self.desk, pages, self.senders),
                host=settings.bind,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
                limit_concurrency=512,
            )
        )
        serving = asyncio.create_task(server.serve(), name="http")
        try:
            async with asyncio.TaskGroup() as tasks:
                works = [self._bus(), self._database(), self._figures(), self._judge()]
                works += [sender.run() for sender in self.senders]
                running = [tasks.create_task(work) for work in works]
                await self.stop.wait()
                for task in running[1:]:
                    task.cancel()  # the bus says goodbye by itself
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
                        helpers = [tasks.create_task(self.letters.retries(nats, self.desk), name="retries")]
                        helpers.append(tasks.create_task(self._telling(nats), name="timeline"))
                        await self._look(nats)
                        for helper in helpers:
                            helper.cancel()
            except Transient as error:
                observer.probed(BusState(error=str(error)), self.clock.now())
                await self._rest(settings.probe_seconds)

    async def _remember(self, nats: Bus) -> None:
        """All beats of the window and the statuses that were shown, then live. Raises Transient."""
        heard: list[tuple[float, bytes]] = []
        live = False

        async def take(message: Msg) -> None:
            if live:
                self._fold(self.clock.now(), message.data)
            else:
                heard.append((self.clock.now(), message.data))

        await nats.client.subscribe(subjects.HEARTBEATS, cb=take)
        state = await probe.bus_state(nats)
        if state.error:
            raise Transient(state.error)
        last = state.streams[topology.HEALTH.name].last if topology.HEALTH.name in state.streams else 0
        changes = await history(nats, topology.HEALTH.name, last - CHANGES + 1)
        beats = await history(nats, topology.HEARTBEATS.name)
        if not self.remembered:
            past = [codec.decode(payload) for _, _, payload in changes]
            for change in past:
                if isinstance(change, HealthChanged):
                    self.observer.restore(change)
            self.alerts.restore(change for change in past if isinstance(change, HealthChanged))
        for _, at, payload in beats:
            self._fold(at, payload)
        live = True
        for at, payload in heard:
            self._fold(at, payload)
        self.remembered = True

    def _fold(self, at: float, payload: bytes) -> None:
        try:
            event = codec.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("heartbeat not understood", error=str(error))
            return
        if isinstance(event, Heartbeat) and event.boot_id != self.beat.boot_id:
            self.observer.beat(event, at)

    async def _look(self, nats: Bus) -> None:
        while not self.stop.is_set():
            state = await probe.bus_state(nats)
            self.observer.probed(state, self.clock.now())
            self.beat.gauges = self.observer.carried()
            if not state.error:
                self.beat.polled()
                self.beat.succeeded(1)
                try:
                    self.told.set()  # try again what the bus did not take
                    await self._age(nats)
                    await self.letters.look(nats)
                except (Transient, *nats_errors, TimeoutError, OSError) as error:
                    log.warning("bus only half answers", error=str(error) or type(error).__name__)
            await self._rest(self.settings.probe_seconds)

    async def _telling(self, nats: Bus) -> None:
        """Status changes into their stream at once, in their order; what is not taken is tried after the next look."""
        while True:
            await self.told.wait()
            self.told.clear()
            try:
                while self.untold:
                    change = self.untold[0]
                    name = f"{change.component}:{change.at}:{change.after}"
                    await nats.publish(Message(subjects.health_changed(change.component), codec.encode(change), name))
                    self.untold.popleft()
            except (Permanent, Transient) as error:
                log.warning("status change not stored yet", error=str(error))

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
                self._ages[name] = state.ack_floor, await probe.stored_at(nats, consumer.stream, state.ack_floor + 1)
            self.observer.oldest[name] = self._ages[name][1]

    # --- the database -------------------------------------------------------------------------------------------

    async def _database(self) -> None:
        settings, observer = self.settings, self.observer
        store = Store(settings.postgres_dsn, "alive", probe.TIMEOUT)
        folder = Path(settings.canary_folder) if settings.canary_folder else None
        canary = Canary(folder, settings.canary_seconds, observer) if folder and settings.canary_seconds else None
        try:
            while True:
                observer.database(await probe.database_error(store), self.clock.now())
                if canary and not observer.database_error:
                    await canary.look(store, self.clock.now())
                for name, path in self.folders.items():
                    free = await asyncio.to_thread(probe.disk_free, path)
                    if free is None:
                        observer.disks.pop(name, None)
                    else:
                        observer.disks[name] = free
                await asyncio.sleep(settings.probe_seconds)
        finally:
            await store.close()

    async def _figures(self) -> None:
        """Counts over the database, only when something was written."""
        observer = self.observer
        store = Store(self.settings.postgres_dsn, "figures", FIGURES_TIMEOUT)
        counted = -1
        try:
            while True:
                written = observer.done[Stage.WRITER]
                if written != counted and observer.database_error == "":
                    try:
                        figures = (await store.ask("figures"))[0]
                        coverage, ledger = await store.ask("coverage"), await store.ask("ledger")
                        recent = await store.ask("recent", RECENT)
                        observer.imports = await store.ask("imports", IMPORT_DAYS)
                        observer.coverage, observer.ledger, observer.recent = coverage, ledger, recent
                        observer.figures = {**figures, "counted_at": self.clock.now()}
                        counted = written
                    except FAILURES as error:
                        log.warning("not counted", error=probe.words(error))
                await asyncio.sleep(self.settings.figures_seconds)
        finally:
            await store.close()

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

    def _changed(self, change: HealthChanged) -> None:
        self.untold.append(change)
        self.told.set()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


nats_errors = (nats.errors.Error, APIError)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the lifecycle has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.HEALTH)
