"""How long an answer of the health service takes, side by side in one run, in milliseconds.

    python bench/health_latency.py [--seconds 20] [--instances 200]

1 idle       three instances, NATS and PostgreSQL well
2 beating    200 instances beat every 5 s
3 blackholed the same, and NATS and PostgreSQL are frozen: connections stay open, nothing answers
A client of its own process asks /v1/autosave/health again and again over one connection; another reads /metrics
every 15 s, as Prometheus would; a bare HTTP server of Python answers the same bytes beside it for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil
from asking import ask
from rich.console import Console
from rich.table import Table

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.local import system
from mnemostream.local.ports import free_port
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus

STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)
PAUSE = 0.005
"""Between two requests: 200 a second at most."""


async def asked(port: int, path: str, seconds: float) -> list[float]:
    """The same, from here."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=ask, args=(f"127.0.0.1:{port}", path, seconds, PAUSE, there)
    )
    process.start()
    took = await asyncio.to_thread(here.recv)
    await asyncio.to_thread(process.join)
    return list(took)


async def beating(nats: Bus, count: int) -> None:
    """`count` instances, each a beat every 5 s."""
    boot = uuid.uuid4().hex
    for sequence in range(1, 10**9):
        for number in range(count):
            stage = STAGES[number % 3]
            beat = Heartbeat(
                stage=stage,
                instance=f"{stage}-{number}",
                boot_id=boot,
                sequence=sequence,
                sent_at=time.time(),
                phase=Phase.RUNNING,
                interval_seconds=5.0,
                uptime_seconds=1000.0,
                pid=number,
                service_version="0",
                processed=sequence,
                vitals=WatcherVitals(files=1, backlog_bytes=0) if stage is Stage.WATCHER else None,
            )
            await nats.client.publish(subjects.heartbeat(stage, beat.instance), codec.encode(beat))
            await asyncio.sleep(5.0 / count)


async def scrape(port: int) -> None:
    while True:
        await asyncio.to_thread(ask_once, port)
        await asyncio.sleep(15)


def ask_once(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    connection.getresponse().read()
    connection.close()


def freeze(pid: int, number: int) -> None:
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        process.send_signal(number)


async def run(seconds: float, count: int) -> None:
    rows: list[tuple[str, list[float]]] = []
    with tempfile.TemporaryDirectory(prefix="mnemo-latency-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "projects").mkdir()
        (folder / "health").write_bytes(b"x" * 4000)
        plan = system.Plan(folder / "data", [(folder / "projects").resolve()], 1, 0, 0, 0)
        bare_port = free_port(0).number
        serve = [sys.executable, "-m", "http.server", str(bare_port), "--bind", "127.0.0.1", "--directory", name]
        bare = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            async with system.running(plan, print) as running:
                port = int(running.endpoints.health_url.rsplit(":", 1)[1])
                scraping = asyncio.create_task(scrape(port))
                await asyncio.sleep(20)
                rows.append(("python -m http.server, the same size", await asked(bare_port, "/health", seconds)))
                rows.append(("idle, 3 instances", await asked(port, "/v1/autosave/health", seconds)))
                async with bus.connect(running.endpoints.nats_url, "bench") as nats:
                    beats = asyncio.create_task(beating(nats, count))
                    await asyncio.sleep(7)
                    rows.append((f"{count} instances beating", await asked(port, "/v1/autosave/health", seconds)))
                    pids = [running.children[one].process.pid for one in ("nats", "postgres")]  # type: ignore[union-attr]
                    for pid in pids:
                        freeze(pid, signal.SIGSTOP)
                    rows.append((f"{count}, both frozen", await asked(port, "/v1/autosave/health", seconds)))
                    rows.append((f"{count}, both frozen: /readyz", await asked(port, "/readyz", seconds)))
                    for pid in pids:
                        freeze(pid, signal.SIGCONT)
                    beats.cancel()
                scraping.cancel()
        finally:
            bare.terminate()
            bare.wait()
    show(rows)


def show(rows: list[tuple[str, list[float]]]) -> None:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    table = Table(title=f"milliseconds · {machine}")
    for column in ("case", "requests", "median", "p95", "p99", "longest"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for name, took in rows:
        cuts = statistics.quantiles(took, n=100)
        table.add_row(name, str(len(took)), *(f"{value:.2f}" for value in (cuts[49], cuts[94], cuts[98], max(took))))
    Console(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--instances", type=int, default=200)
    given = parser.parse_args()
    asyncio.run(run(given.seconds, given.instances))
