"""SIGTERM ends every service within 10 s, whatever it waits for; a start after it takes up what was handed back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from mnemostream.contracts import subjects
from mnemostream.contracts.events import Stage
from mnemostream.local.child import Child, Spec
from mnemostream.local.nats_server import Nats
from mnemostream.local.ports import Port, free_port
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.process.command import python
from tests import conftest, proxy
from tests.conftest import answer, eventually, jsonl, prompt, some_port
from tests.integration.bus_parts import segment

STOP_SECONDS = 10.0


class Service:
    """One service process, with the signs of life that its supervisor reads."""

    def __init__(self, stage: Stage, folder: Path, env: dict[str, str]) -> None:
        self.alive = folder / f"{stage}.alive"
        env = {"MNEMO_ALIVE_FILE": str(self.alive), "MNEMO_HEARTBEAT_SECONDS": "0.5", **env}
        command = python(f"mnemostream.services.{stage}.main")
        spec = Spec(str(stage), command, {**os.environ, **env}, folder / f"{stage}.log")
        self.child = Child(spec, print)

    async def listens(self) -> None:
        """Returns when it takes signals."""

        async def sign() -> None:
            assert self.alive.exists()

        await self.child._spawn()
        await eventually(sign, 60)

    async def stopped(self) -> tuple[float, int]:
        """Seconds from SIGTERM to its end, and its exit code."""
        process = self.child.process
        assert process is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.wait(), 60)
        finally:
            self.child.kill()
        return loop.time() - began, code


def environment(stage: Stage, nats: Nats, nats_port: int, dsn: str, postgres_port: int, root: Path) -> dict[str, str]:
    port = dsn.rsplit(":", 1)[1].split("/")[0]
    return {
        "MNEMO_NATS_URL": nats.url(stage).replace(f":{nats.port}", f":{nats_port}"),
        "MNEMO_POSTGRES_DSN": dsn.replace(f":{port}/", f":{postgres_port}/"),
        "MNEMO_WATCHER_ROOTS": str(root),
        "MNEMO_HEALTH_PORT": str(some_port()),
        "MNEMO_INSTANCE": f"{stage}-0",
    }


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("frozen", ["nats", "postgres", "nothing"])
async def test_a_service_stops_while_it_waits_for_a_frozen_server(
    nats: Nats, operator: Bus, database: str, folder: Path, stage: Stage, frozen: str
) -> None:
    """At its start, and in the midst of work: the servers take connections and say nothing."""
    port = int(database.rsplit(":", 1)[1].split("/")[0])
    root = folder / "projects"
    root.mkdir()
    (root / "s.jsonl").write_bytes(jsonl(prompt("a"), answer("b")))
    await operator.publish_all([segment(number) for number in range(30)])
    async with proxy.opened(nats.port) as to_nats, proxy.opened(port) as to_postgres:
        env = environment(stage, nats, to_nats.port, database, to_postgres.port, root)
        ways = {"nats": to_nats, "postgres": to_postgres}
        if frozen in ways:
            ways[frozen].cut()  # from its first moment on
        service = Service(stage, folder, env)
        await service.listens()
        seconds, code = await service.stopped()
        assert (seconds <= STOP_SECONDS, code) == (True, 0), f"{seconds:.1f} s"
        if frozen not in ways or stage is Stage.EMBEDDER:
            return
        ways[frozen].heal()
        service = Service(stage, folder, env)
        await service.listens()
        try:
            await eventually(lambda: _beats(operator, stage), 60)
        except AssertionError:
            service.child.kill()
            raise
        ways[frozen].cut()  # in the midst of its life
        await operator.publish(segment(99))
        (root / "t.jsonl").write_bytes(jsonl(prompt("c"), answer("d")))
        seconds, code = await service.stopped()
        assert (seconds <= STOP_SECONDS, code) == (True, 0), f"{seconds:.1f} s"


async def _beats(operator: Bus, stage: Stage) -> None:
    try:
        message = await operator.stream.get_last_msg("HEARTBEATS", subjects.heartbeat(stage, f"{stage}-0"), direct=True)
    except NotFoundError as error:
        raise AssertionError("not heard yet") from error
    assert b'"phase":"running"' in (message.data or b"")


async def test_starts_in_the_same_second_get_different_ports() -> None:
    base = some_port()
    claims: list[Port] = [free_port(base) for _ in range(5)]
    try:
        assert len({claim.number for claim in claims}) == 5
    finally:
        for claim in claims:
            claim.close()
    again = free_port(base)
    again.close()
    assert again.number == base


def test_no_port_is_chosen_that_an_outgoing_connection_could_get_meanwhile() -> None:
    """As it happened to PostgreSQL: "could not bind": a client of some other server had been given its port."""
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first, last = map(int, told.read_text().split()) if told.exists() else (49152, 65535)
    for _ in range(100):
        (port := free_port(0)).close()
        assert not first <= port.number <= last
        assert not first <= some_port() <= last


def test_two_tests_never_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it happened: a server that was slow to listen, and another test's PostgreSQL that answered in its place."""
    monkeypatch.setattr(conftest, "PORTS", range(19_000, 19_200))
    ports = {some_port() for _ in range(40)}
    assert len(ports) == 40
    if sys.platform == "linux":  # names of sockets are seen by all processes
        with socket.socket(socket.AF_UNIX) as other, pytest.raises(OSError, match="in use"):
            other.bind(f"\0mnemo-test:{ports.pop()}")


Look = Callable[[], Awaitable[None]]


async def test_a_log_that_comes_back_older_is_filled_again(nats: Nats, folder: Path) -> None:
    """Segments that the log had acknowledged and has lost are shipped anew by the next watcher."""
    root = folder / "projects"
    root.mkdir()
    file = root / "s.jsonl"
    file.write_bytes(jsonl(prompt("a"), answer("b")))
    child: Child = nats.child  # type: ignore[attr-defined]
    env = {"MNEMO_NATS_URL": nats.url(Stage.WATCHER), "MNEMO_WATCHER_ROOTS": str(root), "MNEMO_INSTANCE": "w"}
    service = Service(Stage.WATCHER, folder, {**env, "MNEMO_WATCHER_SETTLE_SECONDS": "0.1"})
    await service.listens()

    async def messages(count: int) -> None:
        async with bus.connect(nats.url("operator"), "test") as operator:
            assert (await operator.stream.stream_info("TRANSCRIPTS")).state.messages == count

    await eventually(lambda: messages(1))
    async with bus.connect(nats.url("operator"), "test") as operator:
        await operator.stream.purge_stream("TRANSCRIPTS")  # what an older copy of the store does not hold
    child.ask_to_stop()
    assert service.child.process
    assert await asyncio.wait_for(service.child.process.wait(), 30) == 1
    assert "lost acknowledged segments" in service.child.tail(3)
    await service.listens()
    await eventually(lambda: messages(1))
    await service.stopped()
