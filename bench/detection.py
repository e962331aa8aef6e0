"""Breaks the running system in every way we know and measures how soon health says so, by its right name.

    python bench/detection.py [--only WORD …]
    python bench/detection.py --import FOLDER     a healthy case: all of it with 3 embedders, never but healthy

Real processes, real NATS and PostgreSQL; a line is appended to a transcript every second, so that there is work.
For each fault: seconds until the HTTP API names it, the status and the cause it gives, and seconds until it is
healthy again after the fault was taken away. Exit code 1 if a cause is wrong, late, or a healthy case alarmed.
"""

# long file: one drill: its rows share one running system, in their order

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import psutil
from rich.console import Console
from rich.table import Table

from mnemostream.local import system
from mnemostream.local.child import Child
from mnemostream.local.ports import free_port
from mnemostream.runtime import provision
from mnemostream.runtime.clock import SystemClock
from mnemostream.services.health import main as health
from mnemostream.services.health.settings import Settings

BUS = 10.0
WORK = 45.0
WORST = 120.0
RECOVERY = 240.0
LOOK_SECONDS = 0.2
HERE = Path(__file__).resolve().parent

Fault = tuple[str, str, str, float, Callable[..., Any], Callable[..., Any]]
"""Title, component, rules that name it, seconds it may take, how to do it and how to undo it."""


class Drill:
    """One running system, and what can be done to it."""

    def __init__(self, running: system.System, folder: Path, root: Path) -> None:
        self.running = running
        self.folder = folder
        self.root = root
        self.client = httpx.AsyncClient(timeout=3, trust_env=False)
        self.rows: list[tuple[str, ...]] = []
        self.failed = 0
        self.lines = 1
        """Lines a second."""

    # --- looking --------------------------------------------------------------------------------------------------

    async def look(self) -> dict[str, Any]:
        """The health answer; {} while there is none."""
        try:
            return (await self.client.get(f"{self.running.endpoints.health_url}/v1/autosave/health")).json()
        except (httpx.HTTPError, ValueError):
            return {}

    async def until(self, wanted: Callable[[dict[str, Any]], object], within: float) -> tuple[float, dict[str, Any]]:
        """Seconds until the answer is as wanted, and that answer; -1 if it never was."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < within:
            answer = await self.look()
            if wanted(answer):
                return loop.time() - began, answer
            await asyncio.sleep(LOOK_SECONDS)
        return -1.0, await self.look()

    async def healthy(self, within: float = RECOVERY) -> float:
        """Seconds until all is healthy."""
        return (await self.until(lambda answer: answer.get("status") == "healthy", within))[0]

    async def write(self) -> None:
        """Sessions that are being written: the work."""
        file = self.root / "-drill" / f"{uuid.uuid4()}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with file.open("ab") as handle:
                for _ in range(self.lines):
                    handle.write(_line(f"question {uuid.uuid4().hex} about the drill"))
            await asyncio.sleep(1.0)

    # --- harming --------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        process = self.running.children[name].process
        assert process is not None
        return process.pid

    def send(self, name: str, number: int) -> None:
        """A signal to a service, or to a server and all its processes."""
        parent = psutil.Process(self.pid(name))
        for process in [parent, *parent.children(recursive=True)]:
            process.send_signal(number)

    async def down(self, name: str) -> None:
        """Killed, and nobody starts it again."""
        child = self.running.children[name]
        child._stopping = True
        self.send(name, signal.SIGKILL)

    async def up(self, name: str) -> None:
        child = self.running.children[name] = Child(self.running.children[name].spec, print)
        await child.start()

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Any]:
        client = await nats.connect(self.running.endpoints.nats_url, allow_reconnect=False)
        try:
            yield client
        finally:
            await client.close()

    async def pause(self, seconds: float) -> None:
        until = datetime.fromtimestamp(SystemClock().now() + seconds, UTC).isoformat()
        async with self.bus() as client:
            api = "$JS.API.CONSUMER.PAUSE.TRANSCRIPTS.embedder"
            await client.request(api, json.dumps({"pause_until": until}).encode())

    async def delete_consumer(self) -> None:
        async with self.bus() as client:
            await client.jetstream().delete_consumer("TRANSCRIPTS", "writer")

    async def provision(self) -> None:
        await provision.main(provision.Settings(nats_url=self.running.endpoints.nats_url), asyncio.Event())

    async def poison(self) -> None:
        async with self.bus() as client:
            await client.jetstream().publish("transcripts.changed.claude-code.poison", b'{"type":"Poison"}')

    async def bury(self) -> None:
        async with self.bus() as client:
            await client.jetstream().purge_stream("DEADLETTERS")

    async def read_only(self, on: bool) -> None:
        """By the owner, who must be able to take it back."""
        connection = await asyncpg.connect(self.running.endpoints.postgres_dsn, timeout=5)
        try:
            await connection.execute("set default_transaction_read_only = off")
            await connection.execute(f"alter system set default_transaction_read_only = {'on' if on else 'off'}")
            await connection.execute("select pg_reload_conf()")
        finally:
            await connection.close()

    def crashes(self, *names: str) -> None:
        (self.folder / "crash").write_text(" ".join(names))

    # --- measuring ------------------------------------------------------------------------------------------------

    async def fault(
        self,
        title: str,
        component: str,
        reasons: str,
        limit: float,
        harm: Callable[[], Awaitable[None] | None],
        mend: Callable[[], Awaitable[None] | None],
    ) -> None:
        """One line of the table. `reasons` is a regular expression of the codes that name this fault rightly."""
        if await self.healthy() < 0:
            self.row(title, "not healthy before", "", -1.0, -1.0, limit, False)
            return
        await _call(harm)

        def named(answer: dict[str, Any]) -> object:
            found = _component(answer, component)
            return found and found[0] != "healthy" and re.match(reasons, found[1])

        seconds, answer = await self.until(named, WORST + 30)
        status, reason, cause = _component(answer, component) or ("no answer", "", "")
        await _call(mend)
        recovered = await self.healthy()
        good = 0 <= seconds <= limit and recovered >= 0
        self.row(title, f"{component} {status}", f"{reason}: {cause}", seconds, recovered, limit, good)

    async def quiet(self, title: str, seconds: float, harm: Callable[[], Awaitable[None] | None]) -> None:
        """A healthy case: nothing but healthy may be seen for so long."""
        if await self.healthy() < 0:
            self.row(title, "not healthy before", "", -1.0, -1.0, seconds, False)
            return
        await _call(harm)
        seen, answer = await self.until(lambda found: found.get("status") not in ("healthy", None), seconds)
        words = "; ".join(answer.get("issues", [])) if seen >= 0 else f"healthy for {seconds:.0f} s"
        self.row(title, answer.get("status", "?"), words, -1.0, -1.0, seconds, seen < 0)

    def row(self, title: str, status: str, cause: str, detect: float, recover: float, limit: float, good: bool) -> None:
        self.failed += not good
        cells = [f"{value:.1f}" if value >= 0 else "-" for value in (detect, recover)]
        self.rows.append((title, status, cause[:110], *cells, f"{limit:.0f}", "ok" if good else "WRONG"))
        print(" | ".join(self.rows[-1]), flush=True)


def _component(answer: dict[str, Any], name: str) -> tuple[str, str, str] | None:
    """Status, reason and cause of a stage, of bus or database, or of everything."""
    if name == "health":
        return None if answer.get("status") else ("no answer", "no answer", "the health service does not answer")
    if not answer.get("stages"):
        return None
    if name in ("bus", "database"):
        found = answer[name]
        return ("healthy" if found["status"] == "reachable" else "unhealthy", found["status"], found["error"])
    stage = answer["stages"][name]
    return stage["status"], stage["reason"], stage["cause"]


def _instances(answer: dict[str, Any], stage: str) -> dict[str, Any]:
    return answer["stages"][stage]["instances"] if answer.get("stages") else {}


async def _call(what: Callable[[], Awaitable[None] | None]) -> None:
    result = what()
    if result is not None:
        await result


def _line(text: str) -> bytes:
    at = datetime.fromtimestamp(SystemClock().now(), UTC).isoformat()
    message = {"role": "user", "content": text}
    record = {"type": "user", "uuid": str(uuid.uuid4()), "message": message, "cwd": "/bench", "timestamp": at}
    return json.dumps(record).encode() + b"\n"


class JumpingClock(SystemClock):
    """The machine slept: the wall clock jumps."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset


async def asleep(drill: Drill, seconds: float) -> None:
    """A second health service with a clock of ours; it must stay healthy over a jump of three hours."""
    clock, stop = JumpingClock(), asyncio.Event()
    port = free_port(0).number
    where = drill.running.endpoints
    settings = Settings(nats_url=where.nats_url, postgres_dsn=where.postgres_dsn, instance="sleeper", port=port)
    task = asyncio.create_task(health.main(settings, stop, clock))
    own = Drill(drill.running, drill.folder, drill.root)
    own.running = system.System(
        type(where)(where.nats_url, where.postgres_dsn, f"http://127.0.0.1:{port}"), drill.running.children
    )

    def jump() -> None:
        clock.offset += 3 * 3600

    await own.quiet("the machine slept for 3 h (clock injected)", seconds, jump)
    drill.rows += own.rows
    drill.failed += own.failed
    stop.set()
    await task
    await own.client.aclose()


async def restarted_in_the_middle(drill: Drill) -> None:
    """The writer is frozen and known to be; health is killed; what it says first must not be a fine day."""
    title = "health killed while the writer is frozen"
    if await drill.healthy() < 0:
        drill.row(title, "not healthy before", "", -1.0, -1.0, WORK, False)
        return
    drill.send("writer", signal.SIGSTOP)
    await drill.until(lambda answer: answer.get("status") == "unhealthy", WORST)
    drill.send("health", signal.SIGKILL)
    await drill.until(lambda answer: not answer, 10)
    seen: list[str] = []

    def again(answer: dict[str, Any]) -> bool:
        if answer:
            seen.append(str(answer["status"]))
        return len([status for status in seen if status != "unknown"]) > 20

    seconds, answer = await drill.until(again, WORK)
    drill.send("writer", signal.SIGCONT)
    recovered = await drill.healthy()
    good = set(seen) <= {"unknown", "unhealthy"} and "unhealthy" in seen and recovered >= 0
    cause = _component(answer, "writer")
    words = f"first answers: {', '.join(dict.fromkeys(seen))}; {cause[2] if cause else ''}"
    drill.row(title, "writer unhealthy", words, seconds, recovered, WORK, good)


async def drills(drill: Drill, only: list[str]) -> None:
    """All of them, one after the other."""
    kill, stop, go = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT

    def nothing() -> None:
        return None

    def sending(name: str, number: int) -> Callable[[], None]:
        return lambda: drill.send(name, number)

    faults: list[Fault] = []
    named = (("watcher", "watcher"), ("embedder-0", "embedder"), ("writer", "writer"))
    for name, stage in named:  # first: crashes are remembered for five minutes, and others would count here
        faults.append((f"{stage}: crash loop", stage, "RestartLoop", WORK, partial(_crash, drill, name), drill.crashes))
    faults += _of_servers(drill)
    for name, stage in named:
        faults.append(
            (
                f"{stage} kill -9",
                stage,
                "InstanceCrashed|HeartbeatsStopped|NoInstance",
                WORK,
                sending(name, kill),
                nothing,
            )
        )
        faults.append(
            (f"{stage} SIGSTOP", stage, "HeartbeatsStopped|WorkStalled", WORK, sending(name, stop), sending(name, go))
        )
        blocked, deadlocked = sending(name, signal.SIGUSR1), sending(name, signal.SIGUSR2)
        faults.append((f"{stage}: event loop blocked", stage, "HeartbeatsStopped", WORK, blocked, nothing))
        faults.append((f"{stage}: work deadlocked, beats go on", stage, "WorkStalled", WORK, deadlocked, nothing))
    hanging = sending("watcher", signal.SIGURG)
    faults += [
        ("watcher: its disk hangs, beats go on", "watcher", "WorkStalled", WORK, hanging, nothing),
        ("health kill -9", "health", "no answer", BUS, sending("health", kill), nothing),
        ("health SIGSTOP", "health", "no answer", BUS, sending("health", stop), sending("health", go)),
        ("health: event loop blocked", "health", "no answer", BUS, sending("health", signal.SIGUSR1), nothing),
        ("health: crash loop", "health", "no answer", BUS, partial(_crash, drill, "health"), drill.crashes),
    ]
    for title, component, rules, limit, harm, mend in faults:
        if not only or any(word in title for word in only):
            await drill.fault(title, component, rules, limit, harm, mend)
    if not only or "middle" in only:
        await restarted_in_the_middle(drill)
    if not only or "asleep" in only:
        await asleep(drill, 45)
    if not only or "scale" in only:
        await drill.up("embedder-1")
        await drill.until(
            lambda answer: len(answer.get("stages", {}).get("embedder", {}).get("instances", [])) == 2, 60
        )
        stop_, go_ = sending("embedder-1", stop), sending("embedder-1", go)
        await drill.fault("one of two embedders SIGSTOP", "embedder", "InstanceVanished", WORK, stop_, go_)
        await drill.quiet("scale-down: SIGTERM of an embedder", 60, lambda: drill.running.children["embedder-1"].stop())


def _of_servers(drill: Drill) -> list[Fault]:
    """NATS, PostgreSQL, and what is in them."""

    def sending(name: str, number: int) -> Callable[[], None]:
        return lambda: drill.send(name, number)

    stop, go = signal.SIGSTOP, signal.SIGCONT
    return [
        ("NATS down", "bus", "unreachable", BUS, lambda: drill.down("nats"), lambda: drill.up("nats")),
        ("NATS frozen", "bus", "unreachable", BUS, sending("nats", stop), sending("nats", go)),
        ("consumer deleted", "writer", "TopologyDrift", BUS, drill.delete_consumer, drill.provision),
        ("consumer paused", "embedder", "TopologyDrift", BUS, lambda: drill.pause(3600), lambda: drill.pause(-1)),
        (
            "PostgreSQL down",
            "database",
            "unreachable",
            BUS,
            lambda: drill.down("postgres"),
            lambda: drill.up("postgres"),
        ),
        ("PostgreSQL frozen", "database", "unreachable", BUS, sending("postgres", stop), sending("postgres", go)),
        (
            "PostgreSQL read-only",
            "writer",
            "DatabaseUnreachable",
            BUS,
            lambda: drill.read_only(True),
            lambda: drill.read_only(False),
        ),
        ("poison message", "writer", "DeadLettersGrew", WORK, drill.poison, drill.bury),
        ("growing lag", "embedder", "BacklogGrowing", WORST, lambda: _flood(drill, 400), lambda: _flood(drill, 1)),
    ]


def _crash(drill: Drill, name: str) -> None:
    drill.crashes(name)
    drill.send(name, signal.SIGKILL)


def _flood(drill: Drill, lines: int) -> None:
    drill.lines = lines


async def run(only: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="mnemo-drill-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = (folder / "projects").resolve()
        root.mkdir()
        settings = {
            "PYTHONPATH": os.pathsep.join(map(str, (HERE / "faults", HERE.parent / "src"))),
            "MNEMO_TEST_CRASH": str(folder / "crash"),
        }
        plan = system.Plan(folder / "data", [root], 2, 0, 0, 0, settings, guard=False)
        async with system.running(plan, print) as running:
            drill = Drill(running, folder, root)
            await running.children["embedder-1"].stop()  # a lone embedder first: nobody stands in for it
            writing = asyncio.create_task(drill.write())
            try:
                await drills(drill, only)
            finally:
                writing.cancel()
                await drill.client.aclose()
        show(drill.rows)
        return 1 if drill.failed else 0


async def importing(source: Path) -> int:
    """Every change of the overall status while a folder is imported with three embedders."""
    with tempfile.TemporaryDirectory(prefix="mnemo-import-") as name:
        Path(name).chmod(0o755)
        plan = system.Plan(Path(name) / "data", [source.resolve()], 3, 0, 0, 0)
        async with system.running(plan, print) as running:
            drill = Drill(running, Path(name), source)
            started = await drill.healthy(120)
            loop = asyncio.get_running_loop()
            began, seen, causes = loop.time(), ["healthy"], set()
            while True:
                answer = await drill.look()
                if answer and answer["status"] != seen[-1]:
                    seen.append(answer["status"])
                    print(f"{loop.time() - began:.0f} s: {answer['status']}: {answer['issues']}", flush=True)
                for stage in answer.get("stages", {}).values():
                    causes.add(re.sub(r"[\d.,]+ (s|min|h|days)", "…", stage["cause"]))
                stages = answer.get("stages", {}).values()
                idle = stages and not any(s["lag"]["pending"] + s["lag"]["ack_pending"] for s in stages)
                if idle and loop.time() - began > 30:
                    break
                await asyncio.sleep(LOOK_SECONDS)
            ledger = (await drill.client.get(f"{running.endpoints.health_url}/v1/autosave/ledger")).json()["total"]
            await drill.client.aclose()
        size, texts = ledger["captured_bytes"] / 1e6, ledger["embedded"]
        print(f"healthy {started:.0f} s after the start; {size:.0f} MB, {texts} texts in {loop.time() - began:.0f} s")
        print(f"statuses seen: {', '.join(seen)}; causes: {'; '.join(sorted(causes))}")
        return int(len(seen) > 1)


def show(rows: list[tuple[str, ...]]) -> None:
    """The table, and the machine."""
    table = Table(title=f"detection, seconds · {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    for column in ("fault", "status", "reason: cause", "detect", "recover", "limit", ""):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=200).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="Words of the faults to run; default: all.")
    parser.add_argument("--import", dest="source", type=Path, help="Folder of transcripts for the healthy case.")
    given = parser.parse_args()
    sys.exit(asyncio.run(importing(given.source) if given.source else run(given.only)))
