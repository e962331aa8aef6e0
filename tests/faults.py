"""What can be done to a running system, and how it is undone. Each is a context: entered = harmed, left = healed."""

# long file: one table of faults: how each is made and healed

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import asyncpg
import msgspec
from nats.js.errors import NotFoundError

from mnemostream.contracts import topology
from mnemostream.local.child import Child, Spec
from mnemostream.runtime.bus import Message
from tests.drill import Drill

Harm = Callable[[Drill], AbstractAsyncContextManager[None]]


class Fault(msgspec.Struct, frozen=True):
    """One row of the matrix."""

    title: str
    harm: Harm
    seconds: float
    """How long the harm lasts before it is taken away; what heals by itself: how long it is watched at most."""
    bound: float
    """Seconds after it was taken away, or began if it heals by itself, until all that was written is stored."""
    heals_itself: bool = False


@asynccontextmanager
async def killed(drill: Drill, name: str) -> AsyncIterator[None]:
    drill.kill(name)
    yield


@asynccontextmanager
async def frozen(drill: Drill, name: str) -> AsyncIterator[None]:
    """The supervisor must see it: nobody wakes it up."""
    drill.send(name, signal.SIGSTOP)
    yield


@asynccontextmanager
async def delayed(drill: Drill, seconds: float) -> AsyncIterator[None]:
    drill.nats_proxy.delay = seconds
    try:
        yield
    finally:
        drill.nats_proxy.delay = 0.0


@asynccontextmanager
async def cut(drill: Drill, which: str) -> AsyncIterator[None]:
    way = drill.nats_proxy if which == "nats" else drill.postgres_proxy
    way.cut()
    try:
        yield
    finally:
        way.heal()


@asynccontextmanager
async def reset(drill: Drill, which: str) -> AsyncIterator[None]:
    (drill.nats_proxy if which == "nats" else drill.postgres_proxy).reset()
    yield


@asynccontextmanager
async def old_store(drill: Drill) -> AsyncIterator[None]:
    """NATS comes back with a copy of its store that was made a while ago: it has forgotten what it acknowledged."""
    store, copy = drill.folder / "data" / "nats", drill.folder / "copy"
    child = drill.running.children["nats"]
    await _down(drill, "nats")
    await asyncio.to_thread(shutil.copytree, store, copy)
    await _up(drill, "nats")
    await asyncio.sleep(6.0)  # meanwhile lines are acknowledged that the copy does not have
    await _down(drill, "nats")
    await asyncio.to_thread(shutil.rmtree, store)
    await asyncio.to_thread(copy.rename, store)
    await _up(drill, "nats")
    assert child.pid
    yield


async def _down(drill: Drill, name: str) -> None:
    child = drill.running.children[name]
    await child.stop()


async def _up(drill: Drill, name: str) -> None:
    child = drill.running.children[name]
    child._stopping = False
    await child.start()


@asynccontextmanager
async def read_only(drill: Drill) -> AsyncIterator[None]:
    setting = "alter system set default_transaction_read_only"
    await drill.sql(f"{setting} = on", "select pg_reload_conf()")
    try:
        yield
    finally:
        await drill.sql("set default_transaction_read_only = off", *_off(setting))


def _off(setting: str) -> tuple[str, ...]:
    return f"{setting} = off", "select pg_reload_conf()"


@asynccontextmanager
async def no_connections(drill: Drill) -> AsyncIterator[None]:
    """Others hold all connections, and the writer has lost its own."""
    taken: list[asyncpg.Connection] = []
    others = "select pg_terminate_backend(pid) from pg_stat_activity where usename in ('mnemo_writer', 'mnemo_reader')"
    await drill.sql(others)
    with suppress(asyncpg.PostgresError, OSError, TimeoutError):
        while len(taken) < 60:
            taken.append(await asyncpg.connect(drill.running.endpoints.postgres_dsn, timeout=5))
    with suppress(asyncpg.PostgresError):
        await taken[0].execute(others)
    try:
        yield
    finally:
        for connection in taken:
            connection.terminate()


@asynccontextmanager
async def full(drill: Drill, folder: str) -> AsyncIterator[None]:
    """The file system of a server has no byte left. Needs a small one of its own, see `small_disks`."""
    filler = drill.folder / "data" / folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, bytes(size))
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


@asynccontextmanager
async def bounded(drill: Drill) -> AsyncIterator[None]:
    """TRANSCRIPTS is at its bound."""
    info = await drill.bus.stream.stream_info("TRANSCRIPTS")
    before = info.config.max_bytes
    info.config.max_bytes = info.state.bytes + 1
    await drill.bus.stream.update_stream(info.config)
    try:
        yield
    finally:
        info.config.max_bytes = before
        await drill.bus.stream.update_stream(info.config)


@asynccontextmanager
async def consumer_deleted(drill: Drill, stream: str, name: str) -> AsyncIterator[None]:
    """The supervisor must see it."""
    with suppress(NotFoundError):
        await drill.bus.stream.delete_consumer(stream, name)
    yield


@asynccontextmanager
async def paused(drill: Drill, stream: str, name: str) -> AsyncIterator[None]:
    api = f"$JS.API.CONSUMER.PAUSE.{stream}.{name}"
    await drill.bus.client.request(api, b'{"pause_until":"2999-01-01T00:00:00Z"}', timeout=5)
    try:
        yield
    finally:
        await drill.bus.client.request(api, b"{}", timeout=5)


@asynccontextmanager
async def reconfigured(drill: Drill, stream: str, name: str) -> AsyncIterator[None]:
    """Somebody sets a short `ack_wait` and a bound of deliveries, which drops messages silently."""
    info = await drill.bus.stream.consumer_info(stream, name)
    before = info.config.ack_wait, info.config.max_deliver
    info.config.ack_wait, info.config.max_deliver = 1.0, 2
    await drill.bus.stream.add_consumer(stream, info.config)
    try:
        yield
    finally:
        info.config.ack_wait, info.config.max_deliver = before
        await drill.bus.stream.add_consumer(stream, info.config)


@asynccontextmanager
async def clock(drill: Drill, seconds: float) -> AsyncIterator[None]:
    file = drill.folder / "clock"
    file.write_text(str(seconds))
    try:
        yield
    finally:
        file.unlink()


@asynccontextmanager
async def doubled_and_shuffled(drill: Drill) -> AsyncIterator[None]:
    """All messages of both streams come once more, under other ids and in any order: as after an outage that was
    longer than the duplicate window."""
    for stream in (topology.TRANSCRIPTS.name, topology.EMBEDDINGS.name):
        state = (await drill.bus.stream.stream_info(stream)).state
        order = list(range(state.first_seq, state.last_seq + 1))
        random.Random(7).shuffle(order)
        for sequence in order[:300]:
            with suppress(NotFoundError):
                message = await drill.bus.stream.get_msg(stream, sequence)
                again = {k: v for k, v in (message.headers or {}).items() if not k.startswith("Nats-")}
                name = f"again-{stream}-{sequence}-{random.random()}"
                await drill.bus.publish(Message(message.subject, message.data or b"", name, again))
    yield


@asynccontextmanager
async def short_window(drill: Drill) -> AsyncIterator[None]:
    """The duplicate window is over before the bus is back, and acks were lost: the watcher publishes again."""
    for stream in (topology.TRANSCRIPTS.name, topology.EMBEDDINGS.name):
        info = await drill.bus.stream.stream_info(stream)
        info.config.duplicate_window = 1.0
        await drill.bus.stream.update_stream(info.config)
    drill.nats_proxy.cut()
    await asyncio.sleep(8.0)
    drill.nats_proxy.heal()
    try:
        yield
    finally:
        for stream in (topology.TRANSCRIPTS, topology.EMBEDDINGS):
            info = await drill.bus.stream.stream_info(stream.name)
            info.config.duplicate_window = stream.duplicate_window
            await drill.bus.stream.update_stream(info.config)


@asynccontextmanager
async def second_watcher(drill: Drill) -> AsyncIterator[None]:
    """Somebody starts another watcher on the same folder."""
    spec = drill.running.children["watcher"].spec
    env = {**spec.env, "MNEMO_INSTANCE": "watcher-2", "MNEMO_ALIVE_FILE": ""}
    child = Child(Spec("watcher-2", spec.argv, env, spec.log.with_name("watcher-2.log")), print)
    await child.start()
    try:
        yield
    finally:
        await child.stop()


@asynccontextmanager
async def out_of_memory(drill: Drill, name: str) -> AsyncIterator[None]:
    """The process gets no more memory from now on."""
    child = drill.running.children[name]
    pid = child.pid
    resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    with suppress(TimeoutError):
        async with asyncio.timeout(40.0):
            while child.pid == pid:
                await asyncio.sleep(0.1)
    yield


@asynccontextmanager
async def killed_at(drill: Drill, point: str) -> AsyncIterator[None]:
    """kill -9 exactly there (bench/faults/sitecustomize.py)."""
    file = drill.folder / "kill-at"
    file.write_text(point)
    if "begins" in point or "absolve" in point:  # only messages that come again get there
        stage = point.split()[0]
        drill.kill("embedder-0" if stage == "embedder" else stage)
    yield


def small_disks(data: Path, *names: str) -> Callable[[], None]:
    """Puts folders of servers that do not run on file systems of 400 MB; needs root. Returns what takes these away."""
    for name in names:
        before = (data / name).rename(data / f"{name}.before")
        (data / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(data / name)], check=True)
        subprocess.run(["cp", "-a", f"{before}/.", str(data / name)], check=True)  # also owner and mode of the folder
        shutil.rmtree(before)

    def away() -> None:
        for name in names:
            subprocess.run(["umount", "-l", str(data / name)], check=False)

    return away


def can_mount() -> bool:
    """True where a test may mount a file system."""
    if os.geteuid() != 0:
        return False
    probe = Path("/tmp") / f"mnemo-mount-{os.getpid()}"
    probe.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(probe)], capture_output=True, check=False)
        if done.returncode == 0:
            subprocess.run(["umount", str(probe)], check=False)
        return done.returncode == 0
    finally:
        probe.rmdir()


PROCESSES = ("watcher", "embedder-0", "writer", "health", "nats", "postgres")
POINTS = (
    "watcher _publish before",
    "watcher _publish after",
    "watcher publish_all after",
    "writer hold before",
    "writer hold after",
    "writer store_transcripts before",
    "writer store_transcripts after",
    "writer store_vectors before",
    "writer store_vectors after",
    "writer ack before",
    "writer ack after",
    "writer begins before",
    "writer begins after",
    "writer absolve before",
    "writer absolve after",
    "embedder hold after",
    "embedder work before",
    "embedder publish_all before",
    "embedder publish_all after",
    "embedder work after",
    "embedder ack before",
    "embedder begins after",
    "embedder absolve after",
)
WRITER = ("TRANSCRIPTS", "writer")

MATRIX = [
    *(Fault(f"{name}: kill -9", partial(killed, name=name), 3, 10, True) for name in PROCESSES),
    *(Fault(f"{name}: SIGSTOP", partial(frozen, name=name), 60, 45, True) for name in PROCESSES),
    *(Fault(f"kill -9 at: {point}", partial(killed_at, point=point), 3, 15, True) for point in POINTS),
    Fault("NATS delayed by 5 ms", partial(delayed, seconds=0.005), 10, 15),
    Fault("NATS delayed by 50 ms", partial(delayed, seconds=0.05), 10, 15),
    Fault("NATS cut off, no RST", partial(cut, which="nats"), 25, 15),
    Fault("NATS: connections reset", partial(reset, which="nats"), 2, 15),
    Fault("NATS comes back with an old store", old_store, 2, 30),
    Fault("PostgreSQL cut off, no RST", partial(cut, which="postgres"), 25, 15),
    Fault("PostgreSQL: connections reset", partial(reset, which="postgres"), 2, 15),
    Fault("PostgreSQL read-only", read_only, 15, 15),
    Fault("PostgreSQL out of connections", no_connections, 15, 15),
    Fault("TRANSCRIPTS at its bound", bounded, 10, 15),
    Fault("consumer deleted", partial(consumer_deleted, stream=WRITER[0], name=WRITER[1]), 3, 30, True),
    Fault("consumer paused", partial(paused, stream=WRITER[0], name=WRITER[1]), 10, 15),
    Fault("consumer reconfigured", partial(reconfigured, stream=WRITER[0], name=WRITER[1]), 10, 15),
    Fault("clock 1 h ahead", partial(clock, seconds=3600.0), 10, 15),
    Fault("clock 1 h behind", partial(clock, seconds=-3600.0), 10, 15),
    Fault("everything again, in another order", doubled_and_shuffled, 2, 30),
    Fault("outage longer than the duplicate window", short_window, 2, 20),
    Fault("two watchers on one folder", second_watcher, 15, 15),
    Fault("embedder out of memory", partial(out_of_memory, name="embedder-0"), 5, 30, True),
]
DISKS = [
    Fault("NATS: disk full", partial(full, folder="nats"), 20, 60),
    Fault("PostgreSQL: disk full", partial(full, folder="postgres"), 15, 60),
]
