"""A running system under load, faults to do to it, and one oracle for all of them.

The oracle: each line that was written is one row of the right transcript, in the order of the file; every file equals
its archived bytes; every text has a vector; nothing was given up. Lost 0, doubled 0, given up 0.
"""

# long file: one drill: a system, its load, and the oracle that counts what was lost

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import nats.errors
import psutil
import zstandard

from mnemostream.local import system
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from tests import proxy
from tests.conftest import ROOT, answer, jsonl, prompt, some_port

FILES = 4
LINE_SECONDS = 0.25
FAULTS = ROOT / "bench" / "faults"
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What a look at a server that is away raises."""
Look = tuple[str, str]
"""A component and the rule that gave its status."""


class Outcome(msgspec.Struct, frozen=True):
    """What the oracle saw."""

    written: int
    lost: int
    doubled: int
    given_up: int
    unequal: int
    unembedded: int
    disordered: int

    @property
    def clean(self) -> bool:
        """Everything is there, once, in order, with its vector."""
        return not any((self.lost, self.doubled, self.given_up, self.unequal, self.unembedded, self.disordered))


class Drill:
    """Use `opened`."""

    def __init__(self, running: system.System, root: Path, folder: Path) -> None:
        self.running = running
        self.root = root
        self.folder = folder
        self.nats_proxy: proxy.Proxy
        self.postgres_proxy: proxy.Proxy
        self.bus: Bus
        self.lines: dict[str, list[str]] = {}
        """What was written, by file."""
        self.client = httpx.AsyncClient(timeout=3, trust_env=False)
        self._writing = asyncio.Event()
        self._writing.set()

    # --- the load ---------------------------------------------------------------------------------------------------

    async def write(self) -> None:
        """Appends a line to one file after the other."""
        names = [f"{uuid.uuid4()}" for _ in range(FILES)]
        number = 0
        while True:
            await self._writing.wait()
            name = names[number % FILES]
            text = f"{number} asks {uuid.uuid4().hex}"
            with (self.root / f"{name}.jsonl").open("ab") as handle:
                handle.write(jsonl(prompt(text), answer("yes " + uuid.uuid4().hex)))
            self.lines.setdefault(name, []).append(text)
            number += 1
            await asyncio.sleep(LINE_SECONDS)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def health(self) -> dict[str, Any]:
        """The answer of the health service; {} while there is none."""
        try:
            return dict((await self.client.get(f"{self.running.endpoints.health_url}/v1/autosave/health")).json())
        except (httpx.HTTPError, ValueError):
            return {}

    async def faults(self) -> set[Look]:
        """Components that are not healthy, and why."""
        told = await self.health()
        if not told:
            return {("health", "no answer")}
        parts = {**told.get("stages", {}), "bus": told.get("bus", {}), "database": told.get("database", {})}
        return {
            (name, str(part.get("rule") or part.get("cause") or part.get("status")))
            for name, part in parts.items()
            if part and part.get("status") not in ("healthy", "reachable", None)
        }

    async def outcome(self) -> Outcome:
        """One look of the oracle. Raises what a database that is away raises."""
        written = {name: list(lines) for name, lines in self.lines.items()}
        connection = await asyncpg.connect(self.running.endpoints.postgres_dsn, timeout=5, command_timeout=20)
        try:
            rows = await connection.fetch(
                "select t.session_id as name, r.body from records r join transcripts t using (transcript_id)"
                " where r.kind = 'prompt' order by r.transcript_id, r.generation, r.byte_offset"
            )
            unequal = 0
            for name in written:
                unequal += not await self._equal(connection, name)
            unembedded = await connection.fetchval(
                "select count(distinct text_sha) from records r where text_sha is not null"
                " and not exists (select from chunks c where c.text_sha = r.text_sha)"
            )
        finally:
            await connection.close(timeout=5)
        stored: dict[str, list[str]] = {}
        for row in rows:
            if row["name"] in written:  # a drill may import other sessions beside
                stored.setdefault(row["name"], []).append(row["body"])
        counts = Counter(text for texts in stored.values() for text in texts)
        wanted = [text for texts in written.values() for text in texts]
        disordered = sum(
            [text for text in stored.get(name, []) if text in set(texts)] != texts for name, texts in written.items()
        )
        return Outcome(
            written=len(wanted),
            lost=sum(text not in counts for text in wanted),
            doubled=sum(count - 1 for count in counts.values()),
            given_up=await self.letters(),
            unequal=unequal,
            unembedded=unembedded,
            disordered=disordered,
        )

    async def _equal(self, connection: asyncpg.Connection, name: str) -> bool:
        """True if the archive holds the file's bytes; those that were appended just now may be missing."""
        rows = await connection.fetch(
            "select s.* from segments s join transcripts t using (transcript_id) where t.session_id = $1"
            " order by generation, start_offset",
            name,
        )
        data = b""
        for row in rows:
            if row["start_offset"] != len(data):
                return False
            data += zstandard.decompress(row["data"], max_output_size=1 << 26)
            if hashlib.sha256(data).digest() != row["sha256"]:
                return False
        return (self.root / f"{name}.jsonl").read_bytes().startswith(data) and bool(data)

    async def letters(self) -> int:
        """Messages that were given up."""
        return int((await self.bus.stream.stream_info("DEADLETTERS")).state.messages)

    async def clean(self, within: float) -> tuple[float, Outcome | None]:
        """Seconds until all that was written up to now is there; -1 and the last outcome if it never was."""
        loop = asyncio.get_running_loop()
        began, last = loop.time(), None
        wanted = {name: len(lines) for name, lines in self.lines.items()}
        while loop.time() - began < within:
            try:
                last = await self.outcome()
                if last.clean or (await self._all_of(wanted) and not (last.doubled or last.given_up)):
                    return loop.time() - began, last
            except (*AWAY, nats.errors.Error):
                pass  # that is what is drilled
            await asyncio.sleep(0.3)
        return -1.0, last

    async def ready(self) -> None:
        """Returns when lines come through all stages."""
        await asyncio.sleep(1.0)
        seconds, outcome = await self.clean(120)
        assert seconds >= 0, outcome

    async def _all_of(self, wanted: dict[str, int]) -> bool:
        """True if the first so many lines of each file are rows with vectors."""
        connection = await asyncpg.connect(self.running.endpoints.postgres_dsn, timeout=5, command_timeout=20)
        try:
            rows = await connection.fetch(
                "select r.body from records r where r.kind = 'prompt' and exists"
                " (select from chunks c where c.text_sha = r.text_sha)"
            )
        finally:
            await connection.close(timeout=5)
        stored = {row["body"] for row in rows}
        return all(text in stored for name, count in wanted.items() for text in self.lines[name][:count])

    async def settled(self, within: float = 120.0) -> Outcome:
        """The outcome at rest: nothing is written any more."""
        self._writing.clear()
        try:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + within
            while True:
                try:
                    found = await self.outcome()
                    if found.clean or loop.time() > deadline:
                        return found
                except (*AWAY, nats.errors.Error):
                    if loop.time() > deadline:
                        raise
                await asyncio.sleep(0.3)
        finally:
            self._writing.set()

    # --- harming ----------------------------------------------------------------------------------------------------

    def family(self, name: str) -> list[psutil.Process]:
        """A process and all that it started."""
        parent = psutil.Process(self.running.children[name].pid)
        return [parent, *parent.children(recursive=True)]

    def send(self, name: str, number: int) -> None:
        """A signal to a process and all that it started."""
        for process in self.family(name):
            process.send_signal(number)

    def kill(self, name: str) -> None:
        """kill -9 of a service, or of a server's main process."""
        pid = self.running.children[name].pid
        assert pid > 0, f"{name} does not run"  # 0 would be ourselves
        os.kill(pid, signal.SIGKILL)

    async def sql(self, *statements: str) -> None:
        """As the owner of the database."""
        connection = await asyncpg.connect(self.running.endpoints.postgres_dsn, timeout=5, command_timeout=20)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close(timeout=5)


@asynccontextmanager
async def opened(folder: Path, *, delay: float = 0.0, **more: Any) -> AsyncIterator[Drill]:
    """A whole system with a proxy before each server, and lines being written. `more` are fields of the plan."""
    root = folder / "projects" / "-drill"
    root.mkdir(parents=True, exist_ok=True)
    settings = {
        "MNEMO_HEARTBEAT_SECONDS": "1",
        "MNEMO_HEALTH_PROBE_SECONDS": "1",
        "MNEMO_WATCHER_SETTLE_SECONDS": "0.5",
        "PYTHONPATH": os.pathsep.join([str(FAULTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "MNEMO_TEST_FOLDER": str(folder),
        **more.pop("settings", {}),
    }
    ports = some_port(), some_port()
    async with AsyncExitStack() as stack:
        before_nats = await stack.enter_async_context(proxy.opened(ports[0], delay))
        before_postgres = await stack.enter_async_context(proxy.opened(ports[1], delay))
        plan = system.Plan(
            data=folder / "data",
            roots=[root],
            settings=settings,
            nats_port=ports[0],
            postgres_port=ports[1],
            health_port=0,
            nats_via=before_nats.port,
            postgres_via=before_postgres.port,
            **more,
        )
        running = await stack.enter_async_context(system.running(plan, print))
        drill = Drill(running, root, folder)
        drill.nats_proxy, drill.postgres_proxy = before_nats, before_postgres
        drill.bus = await stack.enter_async_context(bus.connect(running.endpoints.nats_url, "drill"))
        stack.push_async_callback(drill.client.aclose)
        writing = asyncio.create_task(drill.write())
        try:
            yield drill
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def names(found: Sequence[Look]) -> str:
    """Looks in words."""
    return ", ".join(f"{component}: {rule}" for component, rule in sorted(found)) or "none"
