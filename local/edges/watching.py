"""The watcher alone, of a machine that ships its transcripts elsewhere. The transcripts are the buffer: what cannot be
shipped now lies on the disk, and is shipped when the server answers again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.local import endpoints, folder, guard, logs
from mnemostream.local.child import Child, Spec, service_env
from mnemostream.local.edges.joined import BEAT, Joined
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.process.command import python
from mnemostream.runtime.settings import joined as listed
from mnemostream.runtime.tasks import cancel_and_wait


@asynccontextmanager
async def running(
    data: Path, joined: Joined, roots: Sequence[Root], say: Callable[[str], None], settings: Mapping[str, str]
) -> AsyncIterator[Child]:
    """Starts it, starts it again when it dies or hangs, and stops it. Raises Busy, RuntimeError."""
    async with AsyncExitStack() as stack:
        folder.owned(data)
        stack.callback(os.umask, os.umask(folder.PRIVATE))
        (data / "logs").mkdir(parents=True, exist_ok=True)
        stack.callback(folder.lock(data).close)
        endpoints.remove(data)
        stack.callback(endpoints.remove, data)
        folder.prepare(data, passed_through=False)
        (data / folder.RUN / BEAT).unlink(missing_ok=True)
        stack.push_async_callback(cancel_and_wait, asyncio.create_task(logs.bounded(data / "logs"), name="logs"))
        child = Child(spec(data, joined, roots, settings), say)
        await child.start()
        stack.push_async_callback(child.stop)
        look = asyncio.create_task(guard.services({"watcher": child}, data / folder.RUN, say), name="guard")
        stack.push_async_callback(cancel_and_wait, look)
        endpoints.write(data, Endpoints(joined.url, "", "", roots=tuple(map(str, roots)), edge=joined.edge))
        yield child


def spec(data: Path, joined: Joined, roots: Sequence[Root], settings: Mapping[str, str]) -> Spec:
    """The process."""
    env = {
        "MNEMO_NATS_URL": joined.url,
        "MNEMO_INSTANCE": joined.edge,  # the one that its user may beat for
        "MNEMO_WATCHER_EDGE": joined.edge,
        "MNEMO_WATCHER_ROOTS": listed(map(str, roots)),
        "MNEMO_WATCHER_ROWS_FOLDER": str(data / "rows"),
        "MNEMO_WATCHER_IMPORTS_FOLDER": str(data / folder.IMPORTS),
        "MNEMO_WATCHER_BEAT_FILE": str(data / folder.RUN / BEAT),
        "MNEMO_PARENT_PID": str(os.getpid()),
        "MNEMO_ALIVE_FILE": str(data / folder.RUN / "watcher.alive"),
        "MALLOC_ARENA_MAX": "2",
    }
    command = python(f"mnemostream.services.{Stage.WATCHER}.main")
    return Spec("watcher", command, service_env({**env, **settings}), data / "logs" / "watcher.log")
