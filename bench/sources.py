"""Captures, verifies and restores a sample of every assistant of the registry, on real servers.

    python bench/sources.py

Each sample lies where its assistant keeps its sessions, below a home of its own; `mnemo up` runs as it does for a
person. Verified: `mnemo verify --all` finds no gap in its files, or its rows. Restored: what the archive gives back is
the file, byte for byte, or a database whose captured rows are the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.sources.databases import DATABASES
from tests.sources.samples import build, files

from mnemostream.archive import copies
from mnemostream.archive.restore import restore
from mnemostream.archive.rows.proof import by_database, replayed
from mnemostream.contracts import sources
from mnemostream.contracts.sources.places import expanded
from mnemostream.local import endpoints
from mnemostream.runtime.rows.opening import reading

SAMPLE = {"file": "real", "source": "fixture", "parser": "fixture", "described": "by description"}
"""How the shape of the sample is known; all samples are of our own making."""
SECONDS = 60.0


def place(home: Path) -> dict[str, list[Path]]:
    """The samples below a home folder: files and databases by assistant."""
    placed: dict[str, list[Path]] = {}
    for source in sources.SOURCES:
        targets: list[Path] = []
        folder = next(iter(expanded(source.homes[0], {}, home, "linux")), "") if source.homes else ""
        folder = folder or str(home / "imports" / source.name)
        for path, data in files(source).items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            targets.append(target)
        if source.dialect in DATABASES and (source.databases or not source.homes):
            pattern = source.databases[0] if source.databases else f"~/imports/{source.name}/x.db"
            name = next(iter(expanded(pattern, {}, home, "linux"))).replace("*", "main")
            build(Path(name), DATABASES[source.dialect]())
            targets.append(Path(name))
        placed[source.name] = targets
    return placed


def mnemo(*arguments: str, env: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "mnemostream", *arguments, "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


async def restored(data: Path, placed: dict[str, list[Path]], scratch: Path) -> dict[str, bool]:
    """Which assistants' files and rows come back as they were."""
    found: dict[str, bool] = {}
    async with copies.opened(endpoints.read(data).reading()) as archive:
        rows = await archive.transcripts()
        by_file = {row.full: row for row in rows}
        logs = by_database(rows)
        for name, targets in placed.items():
            good = bool(targets)
            for number, target in enumerate(targets):
                output = scratch / f"{name}-{number}"
                row = by_file.get(str(target))
                if row is not None:
                    await restore(archive, row, output)
                    good = good and output.read_bytes() == target.read_bytes() and row.source == name
                elif str(target) in logs:
                    mine = logs[str(target)]
                    (await replayed(archive, mine)).write(output)
                    with reading(str(output), scratch / "s") as connection:
                        good = good and not (await replayed(archive, mine)).differences(connection)
                    good = good and all(one.source == name for one in mine)
                else:
                    good = False
            found[name] = good
    return found


def main() -> int:
    """Prints the table; 0 if more than 63 names are verified and restored."""
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mnemo-sources-") as folder:
        home, data = Path(folder) / "home", Path(folder) / "data"
        placed = place(home)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MNEMO_", "CLAUDE_", "CODEX_"))}
        env |= {"HOME": str(home)}
        roots = [f"--source={name}={home / 'imports' / name}" for name in placed if (home / "imports" / name).is_dir()]
        roots.append("--source=defaults")
        command = [sys.executable, "-m", "mnemostream", "up", "--embedders", "0", "--data", str(data), *roots]
        wanted = sum(1 for targets in placed.values() for _ in targets)
        with open(Path(folder) / "log", "wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            began = time.monotonic()
            while time.monotonic() - began < SECONDS and process.poll() is None:
                time.sleep(2)
                try:
                    report = mnemo("verify", "--all", "--data", str(data), env=env)
                    if report.get("files", 0) + report.get("databases", 0) >= wanted and not report["gaps"]:
                        break
                except (ValueError, KeyError):
                    continue
            if process.poll() is not None:
                sys.exit((Path(folder) / "log").read_text())
            gaps = [gap["file"] for gap in report.get("gaps", [])]
            back = asyncio.run(restored(data, placed, Path(folder)))
        finally:
            process.terminate()
            process.wait()
        print(f"{'assistant':20}{'dialect':14}{'store':10}{'sample':16}{'verified':10}restored")
        good = 0
        for source in sources.SOURCES:
            targets = placed[source.name]
            verified = bool(targets) and not any(gap.startswith(str(one)) for gap in gaps for one in targets)
            verified = verified and back[source.name]
            good += verified and back[source.name]
            sample = SAMPLE[source.sure]
            words = [("yes" if one else "no") for one in (verified, back[source.name])]
            print(f"{source.name:20}{source.dialect:14}{source.store:10}{sample:16}{words[0]:10}{words[1]}")
        print(f"\n{good} of {len(placed)} names verified and restored; {report.get('files')} files,")
        print(f"{report.get('databases')} databases with {report.get('rows')} rows; {len(gaps)} gaps {gaps[:3]}")
        print(f"{platform.platform()}, {os.cpu_count()} cores")
        return 0 if good > 63 else 1


if __name__ == "__main__":
    sys.exit(main())
