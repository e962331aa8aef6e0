"""A watcher beside the owner of a database that commits all the time: what the owner feels, and how soon rows are kept.

    python bench/rows.py [--seconds 20] [--rate 40] [--megabytes 100]

The owner is a process of its own that behaves like OpenCode: a part is inserted and then grown three times in place, so
many commits a second. First it is alone, then watched by the row source with notifications. A row counts as kept when
it is written down in its row log; before that the database must have rested for 250 ms, 2 s at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.doubles import MemoryLog
from tests.integration.test_databases import watching
from tests.sources.databases import DATABASES
from tests.sources.samples import build

OWNER = textwrap.dedent("""
    import json, sqlite3, sys, time
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    rate, seconds, tag = float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    took, done, until, number = [], [], time.time() + seconds, 0
    while time.time() < until:
        number += 1
        name, grown = f"{tag}-{number // 4}", "word " * 40 * (number % 4 + 1)
        data = json.dumps({"type": "text", "text": grown + f"state {tag}-{number}"})
        now = int(time.time() * 1000)
        began = time.perf_counter()
        if number % 4 == 0:
            row = (name, now, now, data)
            connection.execute("insert or ignore into part values (?, 'msg_0v', 'ses_1', ?, ?, ?)", row)
        else:
            connection.execute("update part set data = ?, time_updated = ? where id = ?", (data, now, name))
        took.append(time.perf_counter() - began)
        done.append((number, time.time()))
        time.sleep(max(0.0, 1 / rate - took[-1]))
    connection.close()
    print(json.dumps({"took": took, "done": done}))
""")


def filled(file: Path, megabytes: int) -> None:
    """An OpenCode database with so many MB of parts of another session."""
    build(file, DATABASES["opencode"]())
    text = json.dumps({"type": "text", "text": "long ago " * 220})
    with closing(sqlite3.connect(file)) as connection:
        rows = ((f"old-{n}", "msg_0v", "ses_old", n, n, text) for n in range(megabytes * 500))
        connection.executemany("insert into part values (?, ?, ?, ?, ?, ?)", rows)
        connection.commit()


async def owner(file: Path, options: argparse.Namespace, tag: str) -> dict[str, list[list[float]]]:
    """What the owner measured."""
    args = [sys.executable, "-c", OWNER, str(file), str(options.rate), str(options.seconds), tag]
    process = await asyncio.create_subprocess_exec(*args, stdout=subprocess.PIPE)
    told, _ = await process.communicate()
    return json.loads(told)  # type: ignore[no-any-return]


async def kept(rows: Path, tag: str, seen: dict[str, float], stop: asyncio.Event) -> None:
    """Notes when each state of a row is first read in its row log."""
    mark, at = f"state {tag}-".encode(), 0
    while not stop.is_set():
        for log in rows.glob("*/ses_1.jsonl"):
            with open(log, "rb") as handle:
                handle.seek(at)
                data = handle.read()
                at += data.rfind(b"\n") + 1
            now = time.time()
            for piece in data.split(mark)[1:]:
                seen.setdefault(piece.split(b"\\", 1)[0].split(b'"', 1)[0].decode(), now)
        await asyncio.sleep(0.002)


async def watched(
    file: Path, rows: Path, options: argparse.Namespace
) -> tuple[dict[str, list[list[float]]], list[float]]:
    """The same with a watcher; the time from each commit that was seen to its place in the row log, seconds."""
    stop, seen = asyncio.Event(), dict[str, float]()
    capture, databases = watching(file.parent, rows, MemoryLog())
    await databases.sweep(stop)
    watch = asyncio.create_task(databases.watch(stop))

    async def looking() -> None:
        while not stop.is_set():
            await databases.due(stop)
            await asyncio.sleep(min(0.02, databases.seconds()))

    work = [asyncio.create_task(looking()), asyncio.create_task(kept(rows, "watched", seen, stop))]
    await asyncio.sleep(2)
    found = await owner(file, options, "watched")
    await asyncio.sleep(4)
    stop.set()
    await asyncio.gather(watch, *work)
    databases.close()
    for known in capture.registry:
        known.release()
    delays = [seen[str(int(number))] - at for number, at in found["done"] if str(int(number)) in seen]
    return found, delays


def line(name: str, values: list[float]) -> str:
    """Percentiles in ms."""
    cuts = statistics.quantiles(values, n=100)
    return f"{name:34} {1e3 * cuts[49]:9.2f} {1e3 * cuts[94]:9.2f} {1e3 * cuts[98]:9.2f} {1e3 * max(values):9.2f}"


def main() -> None:
    """Prints a table and the machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnemo-rows-bench-") as folder:
        file = Path(folder) / "live" / "opencode.db"
        filled(file, options.megabytes)
        alone = asyncio.run(owner(file, options, "alone"))
        found, delays = asyncio.run(watched(file, Path(folder) / "rows", options))
        left = [name for name in os.listdir(file.parent) if name != file.name]
    print(f"{'ms':34} {'p50':>9} {'p95':>9} {'p99':>9} {'max':>9}")
    print(line("owner's commit, alone", [float(one) for one in alone["took"]]))  # type: ignore[arg-type]
    print(line("owner's commit, watched", [float(one) for one in found["took"]]))  # type: ignore[arg-type]
    print(line("commit to row log, of those seen", delays))
    print(f"{len(delays)} of {len(found['done'])} states seen; left beside the database: {left or 'nothing'}")
    print(f"{platform.platform()}, {os.cpu_count()} cores, SQLite {sqlite3.sqlite_version}")


if __name__ == "__main__":
    main()
