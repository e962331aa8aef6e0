"""Memory and CPU of the watcher with all assistants of the registry present, and a large OpenCode database.

    python bench/idle.py [--megabytes 1024] [--largest 64] [--seconds 60] [--verify]

A home of its own holds a sample of every assistant where it keeps its sessions, and `opencode.db` with so many
megabytes of parts; `mnemo up` captures all of it. Measured, from /proc (Linux only): the first capture, then at rest,
then with a row inserted every second by an owner that holds the database open, then twice as long at rest: in that
time all rows of the database are compared once. Peaks are of each part alone. 0 if the bars hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import chain, cycle
from pathlib import Path

import asyncpg
import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sources import mnemo, place

from mnemostream.local import endpoints

MODULE = "mnemostream.services.watcher.main"
MOST_MEMORY, MOST_CPU = 100.0, 1.0
"""The bars: MB, and percent of a core at rest."""
PATIENCE = 1800.0
TEXT_BYTES = 4 << 20
SMALL, LARGE = (200, 2_000), (2_000, 50_000)
"""Characters of what is said, and of what a tool has put out: one part in four."""
STORED = """
    select root, path, max(end_offset)::bigint from transcripts join segments using (transcript_id) group by 1, 2"""
PART = "insert into part values (?, ?, ?, ?, ?, ?)"
REST = 20.0  # seconds after the first capture before the measurement begins: files at rest are put away
ACTIVE = 2
"""The session that goes on: one of 2 MB."""


class Figures(msgspec.Struct):
    """What the watchers took in one part of the measurement."""

    name: str
    cpu: float
    """Percent of a core."""
    resident: float
    peak: float
    """MB."""


def sizes(megabytes: int, largest: int) -> Iterator[int]:
    """Bytes of each session: most are small, one is the largest."""
    left = megabytes
    for each in chain([largest], cycle([1, 2, 1, 4, 1, 2, 1, 16, 1, 2, 1, 8])):
        if left <= 0:
            return
        yield min(each, left) << 20
        left -= each


def fill(file: Path, megabytes: int, largest: int) -> list[str]:
    """Adds sessions to the sample of an OpenCode database; their names."""
    rng = random.Random(7)
    words = [f"{rng.choice('bcdfglmnprst')}{rng.choice('aeiou')}" * rng.randrange(1, 4) for _ in range(5000)]
    text = " ".join(rng.choices(words, k=TEXT_BYTES // 4))
    names = []
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for number, size in enumerate(sizes(megabytes, largest)):
            session, when = f"ses_big{number:05}", 1_790_000_000_000 + number * 1_000_000
            names.append(session)
            connection.execute("begin")
            row = (session, None, "/home/dana/tides", f"Session {number}", "1.2", when, when)
            connection.execute("insert into session values (?, ?, ?, ?, ?, ?, ?)", row)
            count = 0
            while size > 0:
                size -= insert(connection, session, count, when + count, text, rng)
                count += 1
            connection.execute("commit")
    return names


def insert(connection: sqlite3.Connection, session: str, count: int, when: int, text: str, rng: random.Random) -> int:
    """A message every eighth time, and a part; the bytes of the part."""
    message = f"msg_{session}_{count // 8:06}"
    if count % 8 == 0:
        role = json.dumps({"role": "assistant" if count % 16 else "user"})
        connection.execute("insert into message values (?, ?, ?, ?, ?)", (message, session, when, when, role))
    length = rng.randrange(*(LARGE if count % 4 == 3 else SMALL))
    begin = rng.randrange(len(text) - length)
    said = text[begin : begin + length]
    data = {"type": "text", "text": said}
    if count % 4 == 3:
        state = {"status": "completed", "input": {"command": "cat tides"}, "output": said}
        data = {"type": "tool", "tool": "bash", "callID": f"c{count}", "state": state}  # type: ignore[dict-item]
    whole = json.dumps(data)
    connection.execute(PART, (f"prt_{session}_{count:06}", message, session, when, when, whole))
    return len(whole)


def watchers(above: int) -> list[int]:
    """The watchers that a process has started, and what they have started."""
    found = list[int]()
    for one in psutil.Process(above).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a one-shot may end meanwhile
            if MODULE in " ".join(one.cmdline()):
                found += [one.pid, *(below.pid for below in one.children(recursive=True))]
    return list(dict.fromkeys(found))


def cpu_seconds(pids: list[int]) -> float:
    """User and system time."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def megabytes_of(pids: list[int], field: str) -> float:
    """The sum of a field of /proc/PID/status."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")) / 1e6


def measured(name: str, pids: list[int], seconds: float, each_second: Callable[[int], None] | None = None) -> Figures:
    """Waits, and says what the watchers took meanwhile."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before, began = cpu_seconds(pids), time.monotonic()
    for second in range(int(seconds)):
        if each_second:
            each_second(second)
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    took = 100 * (cpu_seconds(pids) - before) / (time.monotonic() - began)
    return Figures(name, took, megabytes_of(pids, "VmRSS"), megabytes_of(pids, "VmHWM"))


async def stored(data: Path) -> dict[str, int]:
    """Bytes in the archive by file, and by database."""
    connection = await asyncpg.connect(endpoints.read(data).reading().postgres_dsn)
    try:
        held: dict[str, int] = {}
        for root, path, size in await connection.fetch(STORED):
            held[f"{root}/{path}"] = size
            held[root] = held.get(root, 0) + size
        return held
    finally:
        await connection.close()


def captured(data: Path, process: subprocess.Popen[bytes], targets: list[Path], large: Path, sessions: int) -> None:
    """Waits until all targets are in the archive, and all row logs of the large database to their ends."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        time.sleep(1)
        if process.poll() is not None:
            raise SystemExit((data.parent / "log").read_text())
        try:
            held = asyncio.run(stored(data))
        except (OSError, endpoints.NotRunning, asyncpg.PostgresError):
            continue  # it is only starting
        logs = [file.stat().st_size for file in (data / "rows").glob(f"{large.stem}-????????????????/*.jsonl")]
        there = len(logs) >= sessions and held.get(str(large), 0) >= sum(logs)
        if there and all(str(target) in held for target in targets):
            return
    raise SystemExit("gave up waiting")


def inserter(connection: sqlite3.Connection, session: str) -> Callable[[int], None]:
    """The assistant: a row a second in one of its sessions."""

    def one(second: int) -> None:
        when = 1_800_000_000_000 + 1000 * second
        data = json.dumps({"type": "text", "text": f"said in second {second}"})
        connection.execute(PART, (f"prt_z{second:06}", f"msg_{session}_000000", session, when, when, data))

    return one


def parts(process: subprocess.Popen[bytes], began: float, large: Path, session: str, seconds: int) -> list[Figures]:
    """The first capture, which is over, then what is measured in turn."""
    pids = watchers(process.pid)
    took = 100 * cpu_seconds(pids) / (time.monotonic() - began)
    found = [Figures("first capture", took, megabytes_of(pids, "VmRSS"), megabytes_of(pids, "VmHWM"))]
    time.sleep(REST)
    found.append(measured("at rest", pids, seconds))
    with closing(sqlite3.connect(large, isolation_level=None)) as connection:
        found.append(measured("a row every second", pids, seconds, inserter(connection, session)))
        found.append(measured("at rest after it", pids, 2 * seconds))
    if watchers(process.pid) != pids:
        raise SystemExit("the watcher was started again meanwhile")
    return found


def run(folder: Path, given: argparse.Namespace) -> int:
    """Measures, and prints the table."""
    home, data = folder / "home", folder / "data"
    placed = place(home)
    (large,) = [target for target in placed["opencode"] if target.suffix == ".db"]
    names = fill(large, given.megabytes, given.largest)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MNEMO_", "CLAUDE_", "CODEX_"))}
    env |= {"HOME": str(home)}
    roots = [f"--source={name}={home / 'imports' / name}" for name in placed if (home / "imports" / name).is_dir()]
    command = [sys.executable, "-m", "mnemostream", "up", "--embedders", "0", "--data", str(data), *roots]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*command, "--source=defaults"], env=env, stdout=log, stderr=log)
    try:
        began = time.monotonic()
        captured(data, process, [target for targets in placed.values() for target in targets], large, len(names))
        first = time.monotonic() - began
        found = parts(process, began, large, names[ACTIVE % len(names)], given.seconds)
        report = mnemo("verify", "--all", "--data", str(data), env=env) if given.verify else None
    finally:
        process.terminate()
        process.wait()
    print(f"machine: {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, {platform.platform()}, "
          f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")  # fmt: skip
    print(f"{len(placed)} assistants; opencode.db {large.stat().st_size / 1e6:.0f} MB, {len(names)} sessions")
    print(f"captured after {first:.0f} s\n\n{'watcher':20}{'CPU, % of a core':>18}{'memory, MB':>12}{'peak, MB':>10}")
    for one in found:
        print(f"{one.name:20}{one.cpu:18.2f}{one.resident:12.0f}{one.peak:10.0f}")
    if report is not None:
        print(f"\nverified: {report['files']} files, {report['databases']} databases, {len(report['gaps'])} gaps")
    return 0 if max(one.peak for one in found) <= MOST_MEMORY and found[1].cpu <= MOST_CPU else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024, help="of the database")
    parser.add_argument("--largest", type=int, default=64, help="megabytes of its largest session")
    parser.add_argument("--seconds", type=int, default=60, help="of each part of the measurement")
    parser.add_argument("--verify", action="store_true", help="prove at the end that everything is in the archive")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnemo-idle-", ignore_cleanup_errors=True) as folder:
        return run(Path(folder), given)


if __name__ == "__main__":
    sys.exit(main())
