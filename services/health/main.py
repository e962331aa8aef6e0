"""Health: heartbeats, JetStream and the database in, one snapshot out.

    HEARTBEATS ──▶ fold ─┐
    JetStream  ──probe──▶├──▶ rules (pure) ──▶ snapshot ──▶ HTTP
    PostgreSQL ──probe──▶┘

The promise: a handler never waits for anything, and what cannot be asked is never called healthy.
Killed and restarted, this process reads the window again from the HEARTBEATS stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator

import msgspec
import uvicorn
from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.js import api as js
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import Heartbeat, Phase, Stage
from runtime import bus, heartbeat, lifecycle
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.logs import Log
from services.health import api
from services.health.probe import FAILURES, Store, bus_state
from services.health.settings import Settings
from services.health.snapshot import Observer, Snapshot

log = Log("mnemo.health")


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Watches until told to stop."""
    clock = SystemClock()
    beat = heartbeat.Beat(Stage.HEALTH, settings.instance_name, settings.heartbeat_seconds, clock)
    observer = Observer(clock.now(), settings.grace_seconds)
    latest: list[Snapshot] = []
    server = _Server(
        uvicorn.Config(
            api.build(settings, lambda: latest[0] if latest else None),
            host=settings.bind,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(), name="http")
    try:
        async with (
            bus.connect(settings.nats_url, name=f"health {settings.instance_name}") as nats,
            heartbeat.beating(nats, beat),
            asyncio.TaskGroup() as tasks,
        ):
            await heartbeat.enter(nats, beat, Phase.RUNNING)
            listening = tasks.create_task(_listen(nats, observer), name="beats")
            await _probe(nats, settings, observer, latest, stop, beat)
            listening.cancel()
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the lifecycle has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _listen(nats: Bus, observer: Observer) -> None:
    """All beats of the window first, then live; core messages, so that a frozen JetStream mutes nobody."""

    async def take(message: Msg) -> None:
        try:
            event = codec.decode(message.data)
        except msgspec.DecodeError as error:
            log.warning("heartbeat not understood", subject=message.subject, error=str(error))
            return
        if isinstance(event, Heartbeat):
            observer.beat(event)

    await nats.client.subscribe(subjects.HEARTBEATS, cb=take)
    for message in await _history(nats):
        await take(message)
    await asyncio.Event().wait()


async def _history(nats: Bus) -> list[Msg]:
    """The beats that the stream still holds: a restarted health service knows what it knew."""
    found: list[Msg] = []
    try:
        info = await nats.stream.add_consumer(
            topology.HEARTBEATS.name,
            js.ConsumerConfig(
                name=f"window-{uuid.uuid4().hex[:12]}",
                deliver_policy=js.DeliverPolicy.ALL,
                ack_policy=js.AckPolicy.NONE,
                mem_storage=True,
                inactive_threshold=30.0,
            ),
        )
        subscription = await nats.stream.pull_subscribe_bind(info.name, topology.HEARTBEATS.name)
        while len(found) < (info.num_pending or 0):
            found += await subscription.fetch((info.num_pending or 0) - len(found), timeout=3)
        await subscription.unsubscribe()
    except (nats_errors.Error, APIError, TimeoutError) as error:
        log.warning("no history of heartbeats, starting from now", error=str(error) or type(error).__name__)
    return found


async def _probe(
    nats: Bus,
    settings: Settings,
    observer: Observer,
    latest: list[Snapshot],
    stop: asyncio.Event,
    beat: heartbeat.Beat,
) -> None:
    """Looks, judges, publishes the snapshot; counts over the database only when something was written."""
    clock = beat.clock
    store = Store(settings.postgres_dsn)
    counted_at, counted = 0.0, -1
    try:
        while not stop.is_set():
            state = await bus_state(nats)
            error = ""
            try:
                await store.ask("alive")
                observer.probed(state, "", clock.now())
                written = sum(one.beat.processed for one in observer.instances[Stage.WRITER].values())
                if clock.now() - counted_at >= settings.figures_seconds and written != counted:
                    await _count(store, observer)
                    counted_at, counted = clock.now(), written
            except FAILURES as failure:
                error = str(failure) or type(failure).__name__
                observer.probed(state, error, clock.now())
            latest[:] = [observer.snapshot(clock.now())]
            if not error and not state.error:
                beat.polled()
                beat.succeeded(1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), settings.probe_seconds)
    finally:
        await store.close()


async def _count(store: Store, observer: Observer) -> None:
    observer.figures = (await store.ask("figures"))[0]
    observer.coverage = await store.ask("coverage")
    observer.ledger = await store.ask("ledger")
    observer.recent = await store.ask("recent", api.RECENT_LIMIT)


if __name__ == "__main__":
    lifecycle.run(main, Settings, Stage.HEALTH)
