"""Another user of the machine: what they may look into, and what they get when they take the ports."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest

from mnemostream.local import endpoints, system
from mnemostream.local import folder as data_folder
from mnemostream.local.nats_server import Nats
from mnemostream.local.postgres import server as postgres_server
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus
from mnemostream.runtime.errors import Transient
from tests.conftest import eventually, jsonl, prompt, quick
from tests.system.test_cli import mnemo

NOBODY = 65534
PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
"""One that nobody may run."""
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not PYTHON, reason="needs root to be another user")

LISTENER = """
import socket, sys, threading
STARTUP, PASSWORD = b"\\x00\\x03\\x00\\x00", b"R\\x00\\x00\\x00\\x08\\x00\\x00\\x00\\x03"  # in clear, please
INFO = b'INFO {"server_id":"x","version":"2.12.0","proto":1,"headers":true,"max_payload":1048576}\\r\\n'
def serve(listener, greeting):
    while True:
        connection, _ = listener.accept()
        connection.sendall(greeting); connection.settimeout(5)
        try:
            while data := connection.recv(65536):
                sys.stdout.write(repr(data) + "\\n"); sys.stdout.flush()
                if data[4:8] == STARTUP: connection.sendall(PASSWORD)
        except OSError: pass
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
for listener, greeting in zip(listeners, (INFO, b"", b"")):
    threading.Thread(target=serve, args=(listener, greeting)).start()
print(*(listener.getsockname()[1] for listener in listeners), flush=True)
"""


class Squatter:
    """A program of nobody on three ports: as NATS, the API and PostgreSQL would have them."""

    def __init__(self, heard: Path, ports: list[int]) -> None:
        self.ports = ports
        self._heard = heard

    def heard(self) -> bytes:
        """What it was sent."""
        return self._heard.read_bytes().partition(b"\n")[2]


COMMANDS = (
    "status",
    "search x",
    "verify",
    "doctor",
    "dashboard",
    "deadletters list",
    "restore s",
    "replay",
    "forget s --yes",
    "embed --missing",
)


@contextmanager
def squatter(folder: Path) -> Iterator[Squatter]:
    heard = folder / "heard"
    with heard.open("wb") as out:
        assert PYTHON
        argv = [PYTHON, "-I", "-c", LISTENER]
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, user=NOBODY, group=NOBODY, cwd="/")
    try:
        while b"\n" not in heard.read_bytes():
            assert process.poll() is None, heard.read_text()
        yield Squatter(heard, list(map(int, heard.read_text().split())))
    finally:
        process.kill()
        process.wait()


def as_nobody(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")


@asynccontextmanager
async def ran(data: Path, root: Path, **more: int) -> AsyncIterator[system.System]:
    plan = msgspec.structs.replace(quick([root], data), embedders=0, **more)
    async with system.running(plan, lambda _: None) as running:
        yield running


async def test_after_a_stop_whoever_takes_the_ports_is_told_nothing(folder: Path) -> None:
    root, data = folder / "projects", folder / "d"
    root.mkdir()
    (root / "s.jsonl").write_bytes(jsonl(prompt("q")))
    async with ran(data, root):
        before = Secrets.of(data)
        assert endpoints.read(data).nats_url
    assert not (data / "endpoints.json").exists()
    with squatter(folder) as one:
        nats, api, postgres = one.ports
        stale = endpoints.Endpoints(
            f"nats://operator:{before.nats['operator']}@127.0.0.1:{nats}",
            f"postgresql://postgres:{before.owner}@127.0.0.1:{postgres}/mnemo",
            f"http://127.0.0.1:{api}",
            before.health,
        )
        endpoints.write(data, stale)  # as after kill -9 of `mnemo up`
        for command in COMMANDS:
            done = await asyncio.to_thread(mnemo, *command.split(), "--data", str(data))
            assert done.returncode != 0, command
            assert str(api) not in done.stdout, command
        assert one.heard() == b""
    async with ran(data, root):
        after = Secrets.of(data)
        for old in (before.owner, before.writer, before.reader, before.health, *before.nats.values()):
            assert old not in (after.owner, after.writer, after.reader, after.health, *after.nats.values())


async def test_a_port_that_is_taken_while_a_server_is_down_is_told_nothing(folder: Path) -> None:
    """Our own programs look who listens before they send a password; there is nothing else to be told by."""
    with squatter(folder) as one:
        server = Nats(folder, one.ports[0], Secrets.of(folder).nats)
        with pytest.raises(Transient):
            async with bus.connect(server.own_url("writer"), "test", within=3):
                pass
        assert await server.complaint(2) is None
        assert one.heard() == b""
        with pytest.raises(Transient):
            async with bus.connect(server.url("writer"), "test", within=3):  # the listener would hear one
                pass
        assert b"CONNECT" in one.heard()


@pytest.mark.parametrize("closed", [True, False])
async def test_no_mode_outside_of_the_data_folder_changes_and_nobody_looks_inside(
    folder: Path, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    elsewhere = folder / "lib"
    monkeypatch.setattr(postgres_server, "ELSEWHERE", elsewhere)
    if closed:  # neither the data folder nor the programs can be reached
        monkeypatch.setattr(data_folder, "reachable", lambda path: False)
    home = folder / "home" / "dana" / ".local" / "share"
    home.mkdir(parents=True)
    parents = [home, *home.parents[:3]]
    for parent in parents:
        parent.chmod(0o700 if closed else 0o755)
    data, root = home / "mnemostream", folder / "projects"
    root.mkdir()
    (root / "s.jsonl").write_bytes(jsonl(prompt("q")))
    outside = {path: stat.S_IMODE(path.stat().st_mode) for path in (*parents, *folder.parents, root, root / "s.jsonl")}
    async with ran(data, root):
        assert {path: stat.S_IMODE(path.stat().st_mode) for path in outside} == outside
        assert bool(list(elsewhere.glob("*/postgres"))) == closed
        logs = [str(file) for file in (data / "logs").iterdir()]
        assert logs
        for secret in ("secrets.json", "endpoints.json", "nats.conf"):
            assert as_nobody("cat", str(data / secret)).returncode != 0
        for listed in (data, data / "logs", data / "run", data / "nats", data / "postgres" / "base", elsewhere):
            found = as_nobody("ls", str(listed))
            assert (found.returncode, found.stdout) != (0, ""), listed
            assert found.stdout == "", listed
        for log in logs:
            assert as_nobody("cat", log).returncode != 0, log
        sockets = [path for path in (data / "socket", data / "run", *elsewhere.glob("*/socket")) if path.is_dir()]
        assert sockets
        assert all(path.stat().st_mode & 0o077 == 0 for path in sockets)

        async def said(state: str) -> None:
            done = await asyncio.to_thread(mnemo, "doctor", "--json", "--data", str(data))
            (check,) = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "permissions"]
            assert check["state"] == state, check

        await eventually(lambda: said("ok"))
        (data / "logs").chmod(0o755)
        await said("wrong")
    async with ran(data, root):
        await said("ok")  # and the database of the first start is there again
