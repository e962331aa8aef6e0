"""Measures capture where it hurts, and prints a table with the machine.

    python bench/capture.py [--files 25000] [--gigabytes 1] [--line-megabytes 200]

1 many      thousands of files at once: import, and a live line that is written while the backlog is captured
2 idle      the same files, nothing changing: CPU of the watcher over 60 s, and bytes it reads from disk; a restart
3 large     one session of a gigabyte and one line of 200 MB: captured, verified, restored; the watcher's memory
"""

from __future__ import annotations

import argparse
import asyncio
import filecmp
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import psutil

from mnemostream.local import system
from mnemostream.local.child import Child

ANY_PORT = {"nats_port": 0, "health_port": 0, "postgres_port": 0}


def process(child: Child) -> psutil.Process:
    assert child.process is not None
    return psutil.Process(child.process.pid)


def line(text: str, kind: str = "user") -> bytes:
    content = text if kind == "user" else [{"type": "text", "text": text}]
    record = {"type": kind, "uuid": str(uuid.uuid4()), "message": {"role": kind, "content": content}, "cwd": "/bench"}
    return json.dumps(record).encode() + b"\n"


async def until(ask: Callable[[], object], wanted: Callable[[float], bool]) -> float:
    """Seconds until the awaited number satisfies `wanted`."""
    began = time.perf_counter()
    while True:
        value = ask()
        number = await value if asyncio.iscoroutine(value) else value
        if wanted(float(number or 0)):  # type: ignore[arg-type]
            return time.perf_counter() - began
        if time.perf_counter() - began > 1800:
            raise SystemExit("gave up waiting")
        await asyncio.sleep(0.05)


async def peak(child: Child, found: list[float]) -> None:
    while True:
        found[0] = max(found[0], process(child).memory_info().rss / 1e6)
        await asyncio.sleep(0.05)


async def many(folder: Path, count: int) -> None:
    root = folder / "many"
    for number in range(count):
        file = root / f"-project-{number % 50}" / f"{uuid.UUID(int=number)}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(line(f"question {number}") + line(f"answer {number}", "assistant"))
        os.utime(file, (1.7e9, 1.7e9))
    total = sum(file.stat().st_size for file in root.rglob("*.jsonl"))
    plan = system.Plan(data=folder / "many-data", roots=[root], embedders=0, **ANY_PORT)
    async with system.running(plan, print) as running:
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)
        began = time.perf_counter()
        some = lambda sql: connection.fetchval(sql)  # noqa: E731
        await until(lambda: some("select count(*) from transcripts"), lambda n: n > 100)
        live = root / "-live" / "now.jsonl"
        live.parent.mkdir()
        wrote = time.perf_counter()
        live.write_bytes(line("while the backlog is captured"))
        exists = "select count(*) from transcripts where path = '-live/now.jsonl'"
        await until(lambda: some(exists), lambda n: n > 0)
        waited = time.perf_counter() - wrote
        behind = count - await some("select count(*) from transcripts")
        await until(lambda: some("select count(*) from transcripts"), lambda n: n > count)
        seconds = time.perf_counter() - began
        print(f"many         {count} files, {total / 1e6:.1f} MB in {seconds:.1f} s = {count / seconds:.0f} files/s; "
              f"a live line was a row after {waited * 1000:.0f} ms, with {behind} files waiting")  # fmt: skip
        await connection.close()
        await idle(running, count)
    began = time.perf_counter()
    async with system.running(plan, print) as running:
        watched = time.perf_counter()
        await until(lambda: sweeps(running), lambda n: n >= 1)
        now = time.perf_counter()
        memory = process(running.children["watcher"]).memory_info().rss / 1e6
        print(f"restart      {count} files: all watched {now - watched:.1f} s after the services started, "
              f"{now - began:.1f} s after the servers did; watcher {memory:.0f} MB")  # fmt: skip


async def sweeps(running: system.System) -> float:
    async with httpx.AsyncClient() as client:
        try:
            stats = (await client.get(f"{running.endpoints.health_url}/v1/autosave/stats")).json()
        except httpx.TransportError:  # it is starting
            return 0.0
    return float((stats.get("watcher") or {}).get("sweeps", 0))


async def idle(running: system.System, count: int) -> None:
    await until(lambda: sweeps(running), lambda n: n >= 3)
    watcher = process(running.children["watcher"])
    before, counters, first = watcher.cpu_times(), watcher.io_counters(), await sweeps(running)
    await asyncio.sleep(60)
    after, later, last = watcher.cpu_times(), watcher.io_counters(), await sweeps(running)
    used = after.user + after.system - before.user - before.system
    chars = later.read_chars - counters.read_chars
    print(f"idle         {count} files: watcher {used / 60:.2%} of a core, {last - first:.0f} sweeps in 60 s, "
          f"{chars / 1e3:.0f} kB read, memory {watcher.memory_info().rss / 1e6:.0f} MB")  # fmt: skip


def generate(folder: Path, gigabytes: float, megabytes: float) -> list[Path]:
    """A long session and one with a single huge line: a tool result that holds a picture."""
    rng = random.Random(7)
    words = [f"{rng.randrange(1 << 30):x}" for _ in range(5000)]
    session, single = folder / "-project" / "session.jsonl", folder / "-project" / "line.jsonl"
    session.parent.mkdir(parents=True)
    with session.open("wb") as handle:
        while handle.tell() < gigabytes * 1e9:
            text = " ".join(rng.choices(words, k=rng.choice([20, 200, 20_000])))
            handle.write(line(text[:200]))
            handle.write(json.dumps({"type": "progress", "uuid": str(uuid.uuid4()), "data": text}).encode() + b"\n")
    with single.open("wb") as handle:
        handle.write(line("show me the picture"))
        handle.write(b'{"type":"user","uuid":"huge","message":{"role":"user","content":[{"type":"tool_result",'
                     b'"tool_use_id":"t","content":[{"type":"image","source":{"data":"')  # fmt: skip
        while handle.tell() < megabytes * 1e6:
            handle.write(rng.randbytes(50_000).hex().encode())
        handle.write(b'"}}]},{"type":"text","text":"what is in it?"}]}}\n')
        handle.write(line("It is a tide table.", "assistant"))
    return [session, single]


async def large(folder: Path, gigabytes: float, megabytes: float) -> None:
    root, data = folder / "large", folder / "large-data"
    files = generate(root, gigabytes, megabytes)
    total = sum(file.stat().st_size for file in files)
    plan = system.Plan(data=data, roots=[root], embedders=0, **ANY_PORT)
    async with system.running(plan, print) as running:
        memory = [0.0]
        watch = asyncio.create_task(peak(running.children["watcher"], memory))
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)
        stored = "select coalesce(sum(end_offset - start_offset), 0)::bigint from segments"
        seconds = await until(lambda: connection.fetchval(stored), lambda n: n >= total)
        comment = "select count(*) from records where record_id = 'huge' and body = 'what is in it?'"
        found = await connection.fetchval(comment)
        watch.cancel()
        print(f"large        {total / 1e6:.0f} MB in {seconds:.1f} s = {total / 1e6 / seconds:.0f} MB/s; "
              f"watcher peak {memory[0]:.0f} MB; words beside the picture found: {bool(found)}")  # fmt: skip
        mnemo = [sys.executable, "-m", "mnemostream"]
        began = time.perf_counter()
        done = await asyncio.to_thread(
            subprocess.run, [*mnemo, "verify", "--data", str(data)], capture_output=True, text=True
        )
        took, told = time.perf_counter() - began, (done.stdout or done.stderr).splitlines()[0]
        print(f"verify       exit {done.returncode} in {took:.1f} s: {told}")
        for file in files:
            again = folder / f"restored-{file.name}"
            command = [*mnemo, "restore", file.stem, "-o", str(again), "--data", str(data)]
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
            print(f"restore      {file.name}: identical {filecmp.cmp(file, again, shallow=False)}")
            again.unlink()
        await connection.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=25_000)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--line-megabytes", type=float, default=200.0)
    given = parser.parse_args()
    print(f"machine      {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
          f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        if given.files:
            await many(Path(folder), given.files)
        if given.gigabytes:
            await large(Path(folder), given.gigabytes, given.line_megabytes)


if __name__ == "__main__":
    asyncio.run(main())
