"""The health service on the bus: heartbeats heard, streams and consumers looked at, and begun anew when that fails."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
from nats.aio.msg import Msg

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.runtime import bus, heartbeat, provision
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import Clock
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.logs import Log
from mnemostream.runtime.streams import history
from mnemostream.runtime.tasks import cancel_and_wait, either
from mnemostream.services.health.judge.evaluation import Judge
from mnemostream.services.health.judge.instances import is_valid
from mnemostream.services.health.judge.observer import CONSUMERS, Observer
from mnemostream.services.health.judge.snapshot import STAGES
from mnemostream.services.health.judge.window import BusState
from mnemostream.services.health.notify.alerts import Alerts
from mnemostream.services.health.notify.timeline import Timeline, past
from mnemostream.services.health.observe import probe
from mnemostream.services.health.observe.dead_letters import DeadLetterReader, DeadLetterRequests
from mnemostream.services.health.observe.state import StateStore
from mnemostream.services.health.settings import Settings

log = Log("mnemo.health")

SEAMLESS_SECONDS = 60.0
"""A predecessor that was heard so long ago, at most, has watched until now: what it had shown goes on."""
AGES_SECONDS = 5.0
"""Least time between two looks at the age of a waiting message, which costs reading it."""


class Listening:
    """`run` until the stop; what it sees goes to the observer."""

    def __init__(
        self, settings: Settings, clock: Clock, stop: asyncio.Event, judge: Judge, timeline: Timeline, alerts: Alerts
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.stop = stop
        self.judge = judge
        self.observer: Observer = judge.observer
        self.timeline = timeline
        self.alerts = alerts
        self.beat = Beat(Stage.HEALTH, settings.instance_name, settings.heartbeat_seconds, clock)
        self.dead_letters = DeadLetterReader(self.observer, clock)
        self.state = StateStore()
        self.remembered = False
        self.predecessor_at = 0.0
        """When an earlier process of this service was last heard."""
        self._ages: dict[str, tuple[int, float]] = {}
        self._aged_at = 0.0

    async def run(self, asked: DeadLetterRequests) -> None:
        """Connects, listens, looks; begins anew when that fails."""
        settings = self.settings
        while not self.stop.is_set():
            try:
                name = f"health {settings.instance_name}"
                async with bus.connect(settings.nats_url, name=name, within=probe.TIMEOUT) as nats:
                    await self._remember(nats)
                    async with heartbeat.beating(nats, self.beat), asyncio.TaskGroup() as tasks:
                        await heartbeat.enter(nats, self.beat, Phase.RUNNING)
                        helpers = [tasks.create_task(self.dead_letters.requests(nats, asked), name="requests")]
                        helpers.append(tasks.create_task(self.timeline.run(nats), name="timeline"))
                        helpers.append(tasks.create_task(self._details(nats), name="details"))
                        try:
                            await self._look(nats)
                        finally:
                            await cancel_and_wait(*helpers)
            except Transient as error:
                self.observer.probed(BusState(error=str(error)), self.clock.now())
                await either(self.stop, within=settings.probe_seconds)

    async def _remember(self, nats: Bus) -> None:
        """All heartbeats of the window and the statuses that were shown, then live ones. Raises Transient."""
        heard: list[tuple[float, Msg]] = []
        live = False

        async def take(message: Msg) -> None:
            if live:
                self._fold(self.clock.now(), message.subject, message.data, live=True)
            else:
                heard.append((self.clock.now(), message))

        # Subscribed before the stream is read, so that no heartbeat falls between the two.
        await nats.client.subscribe(subjects.HEARTBEATS, cb=take)
        state = await probe.bus_state(nats, self.clock.now())
        if state.error:
            raise Transient(state.error)
        await self._restore_streams(nats, state)
        known: set[bytes] = set()
        async with aclosing(history(nats, topology.HEARTBEATS.name)) as beats:
            async for stored in beats:
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
        """What an earlier process had counted and shown; of one that ended long ago, only the list of its changes."""
        if topology.HEALTH_STATE.name in state.streams:
            self.observer.inherit(await self.state.read(nats))
        changes, delivered = await past(nats, state.streams[topology.HEALTH.name].last)
        seamless = self.clock.now() - self.predecessor_at < SEAMLESS_SECONDS
        self.judge.restore(changes, shown=seamless)
        self.alerts.restore(delivered)

    async def _restore_streams(self, nats: Bus, state: BusState) -> None:
        """The streams in memory, which a lone server forgets at its restart, are created again. Raises Transient."""
        if _forgotten(state):
            try:
                await provision.volatile(nats)
            except Misconfigured as error:
                raise Transient(f"heartbeats cannot be stored: {error}") from error

    def _fold(self, at: float, subject: str, payload: bytes, *, live: bool) -> None:
        """Only what an instance says of itself: its user may publish under its own stage's subject and no other."""
        try:
            event = codec.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("cannot decode heartbeat", subject=subject[:200], error=str(error)[:200])
            return
        if not isinstance(event, Heartbeat) or event.boot_id == self.beat.boot_id:
            return
        if subject != subjects.heartbeat(event.stage, event.instance) or not is_valid(event):
            log.warning("heartbeat rejected: impossible values", subject=subject[:200])
            return
        if event.stage is Stage.HEALTH:
            self.predecessor_at = max(self.predecessor_at, at)
        self.observer.beat(event, at, live=live)

    async def _look(self, nats: Bus) -> None:
        while not self.stop.is_set():
            state = await probe.bus_state(nats, self.clock.now())
            if not state.error and _forgotten(state):
                state = await self._after_restoring(nats)
            self.observer.probed(state, self.clock.now())
            if not state.error:
                self.beat.polled()
                self.beat.succeeded(1)
                self.timeline.again()
            await either(self.stop, within=self.settings.probe_seconds)

    async def _after_restoring(self, nats: Bus) -> BusState:
        """What the bus is after the streams in memory were created again; nobody is told of a gap of a second."""
        try:
            await self._restore_streams(nats, BusState())
        except Transient as error:
            log.warning("heartbeat stream not restored", error=str(error))
        return await probe.bus_state(nats, self.clock.now())

    async def _details(self, nats: Bus) -> None:
        """What takes longer than a look: dead letters, ages, our own state. In its own time, so that no look waits."""
        while True:
            await asyncio.sleep(self.settings.probe_seconds)
            if self.observer.bus_error:
                continue
            try:
                await self.state.write(nats, self.observer.state())
                await self._age(nats)
                await self.dead_letters.look(nats)
            except Transient as error:
                log.warning("NATS answered only some requests", error=str(error))

    async def _age(self, nats: Bus) -> None:
        """When the oldest message that waits was stored, for each consumer."""
        now = self.clock.now()
        if now - self._aged_at < AGES_SECONDS:
            return
        self._aged_at = now
        for consumer in (consumer for stage in STAGES for consumer in CONSUMERS[stage]):
            name = f"{consumer.stream}.{consumer.name}"
            state = self.observer.bus.consumers.get(name)
            if state is None or not state.lag.total:
                self.observer.oldest.pop(name, None)
                continue
            if self._ages.get(name, (-1, 0.0))[0] != state.ack_floor:
                stored = await probe.stored_at(nats, consumer.stream, state.ack_floor + 1)
                self._ages[name] = state.ack_floor, stored and stored - self.observer.bus.clock_ahead
            self.observer.oldest[name] = self._ages[name][1]


def _forgotten(state: BusState) -> bool:
    """True when a lone server was started again: what was in memory is gone."""
    return any(stream.name not in state.streams for stream in topology.VOLATILE)
