"""A laptop's watcher feeds a server over a network of its own: 50 ms of delay each way, and a cable that is pulled."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, answer, eventually, jsonl, prompt
from tests.system.network import SERVER, Network, laid

DELAY = 0.05
RELAY = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.proxy import Proxy
class Far(Proxy):
    host = {SERVER!r}
async def main():
    proxy = Far(4222, {DELAY})
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 4222)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Site:
    """The data folder of one of the two machines."""

    def __init__(self, network: Network, where: str, folder: Path) -> None:
        self.network, self.where = network, where
        self.data, self.source = folder / where, folder / f"{where}-projects"
        (self.source / "p").mkdir(parents=True)

    def mnemo(self, *words: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [*self.network.within(self.where), sys.executable, "-m", "mnemostream", *words]
        done = subprocess.run(
            [*command, "--data", str(self.data)], cwd=ROOT, input=stdin, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode} {done.stdout}{done.stderr}"
        return done

    def told(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.mnemo(*words, "--json", check=False).stdout))

    def append(self, name: str, words: str) -> None:
        with (self.source / "p" / f"{name}.jsonl").open("ab") as handle:
            handle.write(jsonl(prompt(words), answer(f"{words}, heard")))

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.source.rglob("*.jsonl"))


@asynccontextmanager
async def sites(folder: Path) -> AsyncIterator[tuple[Network, Site, Site, str]]:
    """A server, and an edge of it, both running; the name of the edge."""
    with laid() as network:
        server, edge = Site(network, "server", folder), Site(network, "edge", folder)
        server.append("own", "the server asks")
        edge.append("first", "the laptop asks")
        relay = subprocess.Popen(  # noqa: ASYNC220 - it is to run beside the test
            [*network.within("edge"), sys.executable, "-c", RELAY], stdout=subprocess.PIPE
        )
        try:
            assert relay.stdout is not None
            assert relay.stdout.readline()
            invited = server.told("edge", "invite", "laptop", "--address", "127.0.0.1")
            up = ["up", "--detach", "--embedders", "0", "--source"]
            server.mnemo(*up, f"claude-code={server.source}")
            edge.mnemo("join", "-", stdin=invited["url"])
            edge.mnemo(*up, f"claude-code={edge.source}")
            yield network, server, edge, invited["edge"]
        finally:
            for site in (edge, server):
                site.mnemo("down", check=False)
            relay.kill()
            relay.wait()
            relay.stdout.close()  # type: ignore[union-attr]


def of(server: Site, name: str) -> dict[str, Any]:
    return next(host for host in server.told("edge", "list")["hosts"] if host["host"] == name)


async def arrived(server: Site, edge: Site, name: str) -> None:
    there = of(server, name)
    assert (there["bytes"], there["backlog_bytes"], there["state"]) == (edge.bytes, 0, "beating"), there


@pytest.mark.parametrize("seconds", [35, pytest.param(60, marks=pytest.mark.long)])
async def test_nothing_is_lost_by_a_cut_and_the_only_alarm_is_its_own(folder: Path, seconds: int) -> None:
    async with sites(folder) as (network, server, edge, name):
        await eventually(lambda: arrived(server, edge, name))
        assert of(server, name)["edge"] is True
        await eventually(lambda: _healthy(server))
        assert "answers, and has 1 transcripts of this machine" in edge.mnemo("doctor", check=False).stdout
        network.cable(plugged=False)
        loop = asyncio.get_running_loop()
        end, number, seen = loop.time() + seconds, 0, dict[str, set[str]]()
        while loop.time() < end:
            number += 1
            edge.append(f"cut-{number % 5}", f"written in the dark {number}")
            server.append("own", f"the server asks {number}")
            for stage, state in server.told("status")["stages"].items():
                if state["status"] != "healthy":
                    seen.setdefault(stage, set()).add(state["cause"])
        assert set(seen) == {"watcher"}, seen
        assert all(f"edge {name}: away for" in cause for cause in seen["watcher"]), seen
        there = edge.told("status")
        assert (there["status"], there["backlog_bytes"] > 0) == ("degraded", True), there
        assert "does not answer" in there["cause"]
        network.cable(plugged=True)
        await eventually(lambda: arrived(server, edge, name))
        await eventually(lambda: _healthy(server))
        assert edge.told("status")["status"] == "healthy"
        assert server.mnemo("verify", "--all").returncode == 0
        for file in edge.source.rglob("*.jsonl"):
            copy = folder / "copy"
            server.mnemo("restore", file.stem, "-o", str(copy), "--force")
            assert copy.read_bytes() == file.read_bytes(), file.name
        ledger = json.loads(server.mnemo("status", "--json").stdout)
        assert ledger["stages"]["watcher"]["status"] == "healthy"


async def _healthy(server: Site) -> None:
    told = server.told("status")
    assert told["status"] == "healthy", told["issues"]


async def test_a_revoked_edge_is_shut_out_at_once_and_another_can_join(folder: Path) -> None:
    async with sites(folder) as (_, server, edge, name):
        await eventually(lambda: arrived(server, edge, name))
        second = server.told("edge", "invite", "desk")
        assert second["next"] == "", "the running server takes it"
        other = Site(server.network, "edge", folder / "other")
        other.mnemo("join", "-", stdin=second["url"])
        assert other.told("status")["status"] == "unhealthy"
        assert server.told("edge", "revoke", name)["next"] == ""
        edge.append("first", "after the end")

        async def refused() -> None:
            told = edge.told("status")
            assert told["status"] != "healthy", told

        await eventually(refused)
        again = edge.mnemo("down")
        assert again.returncode == 0
        rejoined = edge.mnemo(
            "join", "-", stdin=json.loads((edge.data / "joined.json").read_text())["url"], check=False
        )
        assert rejoined.returncode == 2
        assert "rejected the user or password" in rejoined.stderr
        assert of(server, name)["transcripts"] == 1  # what it has shipped stays


def test_an_edge_says_what_it_is_and_what_it_is_not(folder: Path) -> None:
    def mnemo(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mnemostream", *words, "--data", str(folder / "d")]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))

    for url, why in (
        ("nats://a:b@c", "no address that a server gives"),
        ("tls://a@c", "no address"),
        ("x", "no address"),
    ):
        done = mnemo("join", url)
        assert (done.returncode, why in done.stderr) == (64, True), done.stderr
    unreachable = mnemo("join", "tls://a:b@127.0.0.1:1?pin=AAAA")
    assert unreachable.returncode == 2, unreachable.stderr
    assert not (folder / "d").exists()
    assert "pin=" not in unreachable.stderr
    for words in (["edge", "invite", "Bad Name"], ["edge", "invite", "ok", "--address", "h:p"]):
        assert mnemo(*words).returncode == 64
    assert mnemo("edge", "revoke", "nobody").returncode == 1
    assert mnemo("leave").returncode == 1
