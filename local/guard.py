"""What a supervisor sees that waiting for an exit does not: processes that hang, and a NATS that a restart would mend.

    services    the sign of life that the event loop writes: no new one ⇒ SIGKILL
    PostgreSQL  answers a connection, be it with an error: no answer ⇒ SIGKILL, it recovers from its log
    NATS        answers what is wrong with it: no answer ⇒ SIGKILL; a complaint that lasts ⇒ stop and start, as soon as
                there is room on its disk (a full disk stays an error until the server is restarted)
    topology    a stream or consumer that somebody deleted ⇒ provisioned again: it reads the log from the start

Silence is counted in looks of this process, not in seconds of a clock: while the machine sleeps, nobody looks.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from nats.js.errors import NotFoundError

from mnemostream.contracts import topology
from mnemostream.local import nats_conf
from mnemostream.local.child import Child
from mnemostream.local.external.nats import ExternalNats
from mnemostream.local.external.postgres import ExternalPostgres
from mnemostream.local.nats_server import Nats
from mnemostream.local.postgres.server import Postgres
from mnemostream.runtime import bus
from mnemostream.runtime import provision as runtime_provision
from mnemostream.runtime.drift import Repair
from mnemostream.runtime.errors import Misconfigured, Transient

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 4.0
SILENT_LOOKS = 12
"""A service that has given no sign of life in so many looks hangs: about 24 s; it gives one every 2 s."""
STARTING_LOOKS = 60
"""Before its first sign it may load for so many looks."""
DEAF_LOOKS = 4
"""A server that did not answer so many looks in a row hangs: each waits for ANSWER_SECONDS."""
COMPLAINT_LOOKS = 5
"""A complaint of NATS in so many looks in a row does not go away by itself."""
ROOM_BYTES = 32 << 20
"""A disk with so much room is not full (any more)."""
TOPOLOGY_SECONDS = 5.0
STOP_LOOKS = 5
"""A server that was asked to stop and is still there after so many looks is killed."""
SIGN_BYTES = 1 << 20
"""With less room on the disk, a service that never gave a sign may only be unable to write it."""
CALM_LOOKS = 15
"""After a restart for a complaint, the least time to the next, doubled each time up to …"""
MOST_CALM_LOOKS = 150


def watch(
    children: Mapping[str, Child],
    nats: Nats | ExternalNats,
    postgres: Postgres | ExternalPostgres,
    signs: Path,
    provision: Callable[[], Awaitable[None]],
    say: Callable[[str], None],
) -> list[asyncio.Task[None]]:
    """Starts to look, until the tasks are cancelled. `provision` makes what is missing; raises RuntimeError. Servers of
    others are left alone.

    Single tasks and no TaskGroup: a group passes a cancellation on once, and a library may lose it (runtime/tasks.py).
    """
    guards: list[_Guard] = [
        _Services(children, signs, say),
        _Topology(children, nats.own_url(nats_conf.OPERATOR), provision, say),
    ]
    if isinstance(postgres, Postgres):
        guards.append(_Postgres(children["postgres"], postgres, say))
    if isinstance(nats, Nats):
        guards.append(_Nats(children["nats"], nats, say))
    return [asyncio.create_task(_forever(guard, say), name=type(guard).__name__) for guard in guards]


async def services(children: Mapping[str, Child], signs: Path, say: Callable[[str], None]) -> None:
    """Looks at services alone, until it is cancelled."""
    await _forever(_Services(children, signs, say), say)


class _Guard(Protocol):
    seconds: float
    """Time between two looks."""

    async def look(self) -> None:
        """One look, and what follows from it."""


async def _forever(guard: _Guard, say: Callable[[str], None]) -> None:
    """A look that fails is told, and is no reason to look no more."""
    while True:
        await asyncio.sleep(guard.seconds)
        try:
            await guard.look()
        except Exception as error:
            say(f"supervisor check failed ({type(guard).__name__[1:]}): {type(error).__name__}: {error}")


class _Services:
    seconds = LOOK_SECONDS

    def __init__(self, children: Mapping[str, Child], signs: Path, say: Callable[[str], None]) -> None:
        self.services = {name: child for name, child in children.items() if name not in ("nats", "postgres")}
        self.signs = signs
        self.say = say
        self.seen: dict[str, tuple[int, float]] = {}
        self.silent: dict[str, int] = {}

    async def look(self) -> None:
        for name, child in self.services.items():
            pid = child.pid
            sign = _sign(self.signs / f"{name}.alive", pid)
            self.silent[name] = 0 if (pid, sign) != self.seen.get(name) else self.silent.get(name, 0) + 1
            self.seen[name] = pid, sign
            looks = self.silent[name]
            unsigned = looks >= STARTING_LOOKS and shutil.disk_usage(self.signs).free >= SIGN_BYTES
            if pid and (looks >= SILENT_LOOKS if sign else unsigned):
                self.say(f"{name} is hung: no sign of life for {looks * LOOK_SECONDS:.0f} s; killed, stacks in its log")
                child.ask_for_stacks()
                await asyncio.sleep(1.0)
                child.kill()
                self.silent[name] = 0


def _sign(file: Path, pid: int) -> float:
    """When this process last gave a sign of life; 0.0 = not yet."""
    try:
        return file.stat().st_mtime if file.read_text() == str(pid) else 0.0
    except OSError:
        return 0.0


class _Postgres:
    seconds = LOOK_SECONDS

    def __init__(self, child: Child, server: Postgres, say: Callable[[str], None]) -> None:
        self.child = child
        self.server = server
        self.say = say
        self.deaf = 0

    async def look(self) -> None:
        pid = self.child.pid
        heard = await self.server.answers(ANSWER_SECONDS)
        self.deaf = 0 if heard or not pid or pid != self.child.pid else self.deaf + 1
        if self.deaf >= DEAF_LOOKS:
            self.say("PostgreSQL is hung: it does not answer; killed, it will recover from its write-ahead log")
            self.child.kill()
            self.deaf = 0


class _Topology:
    seconds = TOPOLOGY_SECONDS

    def __init__(
        self,
        children: Mapping[str, Child],
        url: str,
        provision: Callable[[], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self.children = children
        self.url = url
        self.provision = provision
        self.say = say

    async def look(self) -> None:
        """What was deleted is made again, and who knew of it begins anew: the watcher ships the whole log, the embedder
        embeds it."""
        missing = await _missing(self.url, ANSWER_SECONDS)
        if not missing:
            return
        self.say(f"missing in NATS: {', '.join(missing)}; recreating")
        if topology.EMBEDDINGS.name in missing:
            await _drop_consumer(self.url, topology.EMBEDDER)
        await self.provision()
        if topology.TRANSCRIPTS.name in missing:
            self.children["watcher"].ask_to_stop()


async def _missing(url: str, seconds: float) -> list[str]:
    """Streams and consumers of the topology that somebody deleted; [] also when nothing can be told."""
    try:
        async with asyncio.timeout(seconds), bus.connect(url, "guard", within=seconds) as connection:
            drifts = await runtime_provision.drifts(connection)
    except (OSError, TimeoutError, Transient, Misconfigured):
        return []
    return [drift.place for drift in drifts if drift.repair is Repair.CREATE]


async def _drop_consumer(url: str, consumer: topology.Consumer) -> None:
    """Deletes a consumer: provisioned again, it reads its stream from the start. Raises nats errors."""
    async with bus.connect(url, "guard", within=5) as connection:
        with suppress(NotFoundError):
            await connection.stream.delete_consumer(consumer.stream, consumer.name)


class _Nats:
    seconds = LOOK_SECONDS

    def __init__(self, child: Child, server: Nats, say: Callable[[str], None]) -> None:
        self.child = child
        self.server = server
        self.say = say
        self.deaf = self.unwell = self.calm = self.stopping = 0
        self.wait = CALM_LOOKS
        self.asked = 0
        """The process that was asked to stop."""

    async def look(self) -> None:
        pid = self.child.pid
        complaint = await self.server.complaint(ANSWER_SECONDS)
        self.deaf = 0 if complaint is not None or not pid or pid != self.child.pid else self.deaf + 1
        self.unwell = self.unwell + 1 if complaint else 0
        self.calm = max(0, self.calm - 1)
        self.stopping = self.stopping + 1 if self.asked and self.asked == pid else 0
        if self.deaf >= DEAF_LOOKS or self.stopping >= STOP_LOOKS:
            self.say("NATS is hung: it does not answer; killed")
            self.child.kill()
            self.deaf = self.asked = 0
        elif self.unwell >= COMPLAINT_LOOKS and not self.calm and self._room():
            self.say(f"NATS reports: {complaint}; its disk has free space, restarting it")
            self.child.ask_to_stop()
            self.asked = pid
            self.calm, self.wait = self.wait, min(2 * self.wait, MOST_CALM_LOOKS)
            self.unwell = 0
        elif not self.calm and not self.unwell:
            self.wait = CALM_LOOKS

    def _room(self) -> bool:
        return shutil.disk_usage(self.server.store).free >= ROOM_BYTES
