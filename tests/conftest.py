"""Real servers for tests: the same code as `mnemo up`, random ports, temporary folders."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts.sources import Root
from mnemostream.local import system
from mnemostream.local.child import Child
from mnemostream.local.nats_server import Nats
from mnemostream.local.ports import is_free
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus, provision
from mnemostream.runtime.bus import Bus
from mnemostream.services.writer import migrate

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "projects"


async def eventually(assertion: Callable[[], Awaitable[Any]], within: float = 60.0) -> Any:
    """The result of `assertion` as soon as it does not fail; its last failure after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        try:
            return await assertion()
        except (AssertionError, OSError, KeyError) as error:
            if loop.time() > deadline:
                raise AssertionError(f"not within {within} s: {error}") from error
            await asyncio.sleep(0.05)  # the one sleep of the tests: between two looks


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own user can get through to (pytest's is 0700)."""
    path = Path(tempfile.mkdtemp(prefix="mnemo-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def some_port() -> int:
    """A port on loopback for a server that this test starts: nobody else gets it meanwhile.

    Servers that start slowly let two tests choose the same: the one then asked the other's PostgreSQL for a password.
    They lie below those that `mnemo up` chooses by itself; the claims of the last ones are kept, in all test processes.
    """
    for port in filter(is_free, random.sample(PORTS, len(PORTS))):
        claim = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform == "linux":
                claim.bind(f"\0mnemo-test:{port}")
        except OSError:
            claim.close()
            continue
        if len(_claims) == MOST_CLAIMS:
            os.close(_claims.popleft())
        _claims.append(claim.detach())
        return port
    raise RuntimeError("no free port found")


PORTS = range(10_000, 20_000)
MOST_CLAIMS = 100
_claims: deque[int] = deque()
"""File descriptors: the kernel closes the last ones when the process ends."""


@asynccontextmanager
async def provisioned(folder: Path, port: int) -> AsyncIterator[Nats]:
    """A nats-server with the streams; `child` of it to harm it."""
    (folder / "logs").mkdir(exist_ok=True)
    server = Nats(folder, port, Secrets.of(folder).nats)
    child = server.child = Child(server.spec(), print)  # type: ignore[attr-defined]
    await child.start()
    try:
        await server.ready(child)
        await provision.main(provision.Settings(nats_url=server.url("operator")), asyncio.Event())
        yield server
    finally:
        await child.stop()


@pytest.fixture
async def nats(folder: Path) -> AsyncIterator[Nats]:
    """A provisioned nats-server of its own; `nats.child` to harm it."""
    async with provisioned(folder, some_port()) as server:
        yield server


@pytest.fixture
async def operator(nats: Nats) -> AsyncIterator[Bus]:
    """A connection that may do everything."""
    async with bus.connect(nats.url("operator"), "test") as connection:
        yield connection


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[str]:
    """The owner's DSN of a migrated PostgreSQL of its own."""
    (folder / "logs").mkdir(exist_ok=True)
    secrets = Secrets.of(folder)
    port = some_port()
    server = Postgres(folder, port, secrets, via=port)  # by TCP: tests put proxies in between
    child = Child(await asyncio.to_thread(server.prepare), print)
    await child.start()
    try:
        await server.ready(child)
        passwords = {"writer_password": secrets.writer, "reader_password": secrets.reader}
        await migrate.main(
            migrate.Settings(postgres_dsn=server.dsn(), embedder_model="m", **passwords), asyncio.Event()
        )
        yield server.dsn()
    finally:
        await child.stop()


def prompt(text: str, name: str | None = None, **extra: Any) -> dict[str, Any]:
    """A line of the human."""
    return {
        "type": "user",
        "uuid": name or str(uuid.uuid4()),
        "timestamp": "2026-08-01T10:00:00.000Z",
        "cwd": "/home/dana/src/tidepool",
        "isSidechain": False,
        "message": {"role": "user", "content": text},
        **extra,
    }


def answer(*blocks: Any, name: str | None = None, **extra: Any) -> dict[str, Any]:
    """A line of the assistant; a str is a text block."""
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    return {
        "type": "assistant",
        "uuid": name or str(uuid.uuid4()),
        "timestamp": "2026-08-01T10:00:05.000Z",
        "isSidechain": False,
        "message": {"role": "assistant", "model": "claude", "content": content},
        **extra,
    }


MOUNTED: list[Path] = []


def unreadable(file: Path) -> None:
    """A transcript that has a size and cannot be opened, by root neither: there, a write-only file of Linux' sysfs is
    mounted in its place."""
    file.write_bytes(b"{}\n")
    file.chmod(0)
    if os.geteuid():
        return
    target = Path("/sys/bus/cpu/drivers_probe")
    mounted = (
        target.exists()
        and not subprocess.run(["mount", "--bind", str(target), str(file)], capture_output=True, check=False).returncode
    )
    if not mounted:
        pytest.skip("no file here that even its owner cannot read")
    MOUNTED.append(file)


@pytest.fixture(autouse=True)
def _unmounted() -> Iterator[None]:
    """What a test has mounted is gone after it."""
    yield
    while MOUNTED:
        subprocess.run(["umount", str(MOUNTED.pop())], capture_output=True, check=False)


def jsonl(*objects: Any) -> bytes:
    """Lines of a transcript."""
    return b"".join(json.dumps(o, separators=(",", ":")).encode() + b"\n" for o in objects)


def quick(roots: Sequence[Path | Root], data: Path, **more: Any) -> system.Plan:
    """A plan with fast beats and random ports."""
    settings = {
        "MNEMO_HEARTBEAT_SECONDS": "0.5",
        "MNEMO_HEALTH_PROBE_SECONDS": "0.5",
        "MNEMO_HEALTH_FIGURES_SECONDS": "1",
        "MNEMO_WATCHER_SWEEP_SECONDS": "2",
        "MNEMO_WATCHER_SETTLE_SECONDS": "0.5",
        "MNEMO_LOG_LEVEL": "debug",
        **more.pop("settings", {}),
    }
    return system.Plan(data=data, roots=roots, settings=settings, nats_port=0, health_port=0, postgres_port=0, **more)


os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: what runs side by side then ends together."""
    slow = {"system": 0, "integration": 1, "conformance": 1}
    items.sort(key=lambda item: slow.get(item.path.parent.name, 2))  # stable: files keep their order
