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
from pathlib import Path

from local.child import Child
from local.servers import Nats, Postgres

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
CALM_LOOKS = 15
"""After a restart for a complaint, the least time to the next, doubled each time up to …"""
MOST_CALM_LOOKS = 150


async def watch(
    children: Mapping[str, Child],
    nats: Nats,
    postgres: Postgres,
    signs: Path,
    provision: Callable[[], Awaitable[None]],
    say: Callable[[str], None],
) -> None:
    """Looks until it is cancelled. `provision` makes what is missing at the server; raises RuntimeError."""
    services = {name: child for name, child in children.items() if name not in ("nats", "postgres")}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_services(services, signs, say), name="guard of services")
        tasks.create_task(_postgres(children["postgres"], postgres, say), name="guard of PostgreSQL")
        tasks.create_task(_nats(children["nats"], nats, say), name="guard of NATS")
        tasks.create_task(_topology(nats, provision, say), name="guard of the topology")


async def _services(services: Mapping[str, Child], signs: Path, say: Callable[[str], None]) -> None:
    seen: dict[str, tuple[int, float]] = {}
    silent: dict[str, int] = {}
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for name, child in services.items():
            pid = child.pid
            sign = _sign(signs / f"{name}.alive", pid)
            silent[name] = 0 if (pid, sign) != seen.get(name) else silent.get(name, 0) + 1
            seen[name] = pid, sign
            if pid and silent[name] >= (SILENT_LOOKS if sign else STARTING_LOOKS):
                say(f"{name} hangs: no sign of life for {silent[name] * LOOK_SECONDS:.0f} s, killed")
                child.kill()
                silent[name] = 0


def _sign(file: Path, pid: int) -> float:
    """When this process last gave a sign of life; 0.0 = not yet."""
    try:
        return file.stat().st_mtime if file.read_text() == str(pid) else 0.0
    except OSError:
        return 0.0


async def _postgres(child: Child, server: Postgres, say: Callable[[str], None]) -> None:
    deaf = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        pid = child.pid
        heard = await server.answers(ANSWER_SECONDS)
        deaf = 0 if heard or not pid or pid != child.pid else deaf + 1
        if deaf >= DEAF_LOOKS:
            say("PostgreSQL hangs: it does not answer, killed; it recovers from its log")
            child.kill()
            deaf = 0


async def _topology(server: Nats, provision: Callable[[], Awaitable[None]], say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(TOPOLOGY_SECONDS)
        if missing := await server.missing(ANSWER_SECONDS):
            say(f"missing at NATS: {', '.join(missing)}; provisioning again")
            try:
                await provision()
            except RuntimeError as error:
                say(f"provisioning failed: {error}")


async def _nats(child: Child, server: Nats, say: Callable[[str], None]) -> None:
    deaf = unwell = 0
    calm, wait = 0, CALM_LOOKS
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        pid = child.pid
        complaint = await server.complaint(ANSWER_SECONDS)
        deaf = 0 if complaint is not None or not pid or pid != child.pid else deaf + 1
        unwell = unwell + 1 if complaint else 0
        calm = max(0, calm - 1)
        if deaf >= DEAF_LOOKS:
            say("NATS hangs: it does not answer, killed")
            child.kill()
            deaf = 0
        elif unwell >= COMPLAINT_LOOKS and not calm and shutil.disk_usage(server.store).free >= ROOM_BYTES:
            say(f"NATS says: {complaint}; there is room on its disk, starting it again")
            child.ask_to_stop()
            calm, wait = wait, min(2 * wait, MOST_CALM_LOOKS)
            unwell = 0
        elif not calm and not unwell:
            wait = CALM_LOOKS
