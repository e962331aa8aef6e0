"""Serves the API until its body ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import uvicorn

from mnemostream.runtime.errors import Misconfigured
from mnemostream.services.health.http import app, finding
from mnemostream.services.health.http.connections import KEPT_SECONDS, Connections
from mnemostream.services.health.http.problems import head_as_get
from mnemostream.services.health.http.routes.dashboard import EVENTS
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.notify.webhooks import Sender
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests
from mnemostream.services.health.observe.store import Store
from mnemostream.services.health.settings import Settings

PAGES_TIMEOUT = 3.0


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, cache: SnapshotCache, requests: DeadLetterRequests, senders: Sequence[Sender]
) -> AsyncIterator[None]:
    """Listens on the address of the settings while the body runs."""
    pages = Store(settings.postgres_dsn, "pages", PAGES_TIMEOUT)
    stack = contextlib.AsyncExitStack()
    find = await stack.enter_async_context(finding.opened(settings))
    server = _Server(
        uvicorn.Config(
            head_as_get(app.build(settings, cache, requests, app.Stores(pages, find), senders), EVENTS),
            http=Connections().protocol,  # type: ignore[arg-type]  # what makes a protocol, as a class does
            host=settings.bind,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=KEPT_SECONDS,
        )
    )
    sockets = [server.config.bind_socket(), *([_private(settings.socket)] if settings.socket else [])]
    task = asyncio.create_task(server.serve(sockets), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await task
        await pages.close()
        await stack.aclose()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the lifecycle has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _private(path: str) -> socket.socket:
    """A socket in a folder that is its owner's. Raises Misconfigured."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        os.chmod(path, 0o600)
    except OSError as error:
        raise Misconfigured(f"MNEMO_HEALTH_SOCKET: cannot listen at {path}: {error.strerror}") from error
    return listener
