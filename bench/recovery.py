"""Breaks a running system in every way we know and counts what is lost, doubled and given up.

    python bench/recovery.py [--only WORD …]
    python bench/recovery.py --kills 200 --source FOLDER    random kill -9 during an import, 5 ms of delay on the bus

Real processes, NATS and PostgreSQL, a proxy before each server, a line appended every 0.25 s. For each fault: what the
health API named and after how many seconds, and how many seconds after it was taken away (or began, where it heals by
itself) everything that had been written was a row with a vector. Nothing is mended by hand. Exit code 1 if a line was
lost, doubled, given up or late.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import drill as drills
from tests import faults
from tests.drill import Drill, Look
from tests.faults import Fault

from mnemostream.archive import copies
from mnemostream.archive.proof import verify

CALM_SECONDS = 12.0
console = Console(width=150)


async def named(drill: Drill, before: set[Look], within: float) -> tuple[str, float]:
    """What health says that it did not say before, and after how long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < within:
        if news := await drill.faults() - before:
            return drills.names(sorted(news)[:2]), loop.time() - began
        await asyncio.sleep(0.2)
    return "–", -1.0


async def stored_again(drill: Drill, within: float) -> tuple[float, drills.Outcome | None]:
    """Seconds from now until all lines up to one second from now, new ones among them, are rows with vectors."""
    await asyncio.sleep(1.0)
    seconds, outcome = await drill.clean(within)
    return (seconds + 1.0 if seconds >= 0 else seconds), outcome


async def row(drill: Drill, fault: Fault) -> tuple[tuple[str, ...], bool]:
    """One fault, from a calm system on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CALM_SECONDS):
            while await drill.faults():
                await asyncio.sleep(0.5)
    before, letters = await drill.faults(), await drill.letters()
    async with fault.harm(drill):
        watching = asyncio.create_task(named(drill, before, max(fault.seconds, 40.0)))
        if fault.heals_itself:
            seconds, outcome = await stored_again(drill, fault.seconds + 60.0)
        else:
            await asyncio.sleep(fault.seconds)
    if not fault.heals_itself:
        seconds, outcome = await stored_again(drill, 180.0)
    if not watching.done():
        await asyncio.wait({watching}, timeout=3.0)
    watching.cancel()
    reason, after = watching.result() if watching.done() and not watching.cancelled() else ("–", -1.0)
    rest = await drill.settled()
    good = rest.clean and 0 <= seconds <= fault.bound
    given_up = rest.given_up - letters
    counted = (rest.lost, rest.doubled + rest.disordered, given_up, rest.unequal + rest.unembedded)
    told = f"{after:.1f} s" if after >= 0 else "–"
    late = "" if seconds <= fault.bound else f" (bound {fault.bound:.0f})"
    words = (fault.title, reason, told, f"{seconds:.1f} s{late}", *map(str, counted))
    console.print(("ok  " if good else "BAD ") + "  ".join(words), "" if rest.clean else str(outcome), highlight=False)
    return words, good


async def matrix(only: list[str]) -> int:
    rows, bad = [], 0
    wanted = [f for f in faults.MATRIX if not only or any(word in f.title for word in only)]
    disks = [f for f in faults.DISKS if not only or any(word in f.title for word in only)]
    for chosen, small in ((wanted, False), (disks, True)):  # full disks need small ones, of which health has an opinion
        if not chosen or (small and not faults.can_mount()):
            continue
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            unmount = faults.small_disks(Path(name) / "data", "nats", "postgres") if small else lambda: None
            try:
                async with drills.opened(Path(name)) as drill:
                    await drill.ready()
                    for fault in chosen:
                        words, good = await row(drill, fault)
                        rows.append(words)
                        bad += not good
            finally:
                unmount()
    heads = ("fault", "named as", "after", "recovered", "lost", "doubled", "given up", "other")
    table = Table(*heads)
    for words in rows:
        table.add_row(*words)
    console.print(table)
    console.print(f"{len(rows)} faults, {bad} bad; {platform.platform()}, {os.cpu_count()} cores")
    return int(bool(bad))


async def kills(count: int, source: Path, seed: int, keep: Path | None) -> int:
    """Random kill -9 of any process, as fast as they come back, while a folder is imported and lines are appended."""
    chosen = random.Random(seed)
    victims: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = keep or Path(name)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        async with drills.opened(folder, delay=0.005) as drill:
            copied = asyncio.create_task(asyncio.to_thread(shutil.copytree, source, drill.root / "import"))
            while sum(victims.values()) < count:
                name_ = chosen.choice(faults.PROCESSES)
                child = drill.running.children[name_]
                if child.pid:
                    drill.kill(name_)
                    victims[name_] += 1
                await asyncio.sleep(chosen.uniform(0.2, 2.0))
            await copied
            console.print(
                f"{count} kills: {dict(victims)}; restarts {sum(c.restarts for c in drill.running.children.values())}"
            )
            drill._writing.clear()
            loop = asyncio.get_running_loop()
            began = loop.time()
            report, outcome = None, None
            while loop.time() - began < 1800:
                with suppress(Exception):
                    async with copies.opened(drill.running.endpoints) as opened:
                        roots = verify.roots_of((), drill.running.endpoints.roots, await opened.transcripts())
                        report = await verify.verify(opened, verify.Scope(roots, False), lambda *_: None)
                    outcome = await drill.outcome()
                    if report.equal and not report.texts_without_vector and not outcome.lost:
                        break
                await asyncio.sleep(2.0)
            assert report is not None
            assert outcome is not None
            verdict = "all equal" if report.equal else str(report.gaps[:5])
            size = f"{report.files} files, {report.bytes / 1e6:.0f} MB"
            texts = f"{report.texts} texts, {report.texts_without_vector} without vectors"
            console.print(f"verify: {verdict}, {size}, {texts}, {loop.time() - began:.0f} s after the last kill")
            console.print(f"live lines: {outcome}")
            good = report.equal and not report.texts_without_vector and not (outcome.lost or outcome.given_up)
            if keep:
                console.print(f"the system stays up on {folder}: Ctrl-C ends it")
                await asyncio.Event().wait()
            return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="Only faults whose title holds one of these.")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--source", type=Path, help="Folder that is imported meanwhile.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="With --kills: use this folder and stay up in the end.")
    given = parser.parse_args()
    if given.kills:
        sys.exit(asyncio.run(kills(given.kills, given.source, given.seed, given.keep)))
    sys.exit(asyncio.run(matrix(given.only)))
