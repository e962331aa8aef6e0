"""Backups in one folder share what they have in common; each of them is whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

from mnemostream.archive.backup import book
from mnemostream.archive.backup.store import YOUNG_SECONDS, Store
from mnemostream.local.backup.schedule import Schedule
from tests.conftest import jsonl, prompt
from tests.system.test_field import PORTS, mnemo

WORDS = [f"word{number}" for number in range(2000)]


def session(seed: int, size: int) -> bytes:
    choose = random.Random(seed).choices
    return jsonl(*(prompt(" ".join(choose(WORDS, k=2500)), f"{seed}-{n}") for n in range(size // 20_000)))


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, object]:
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {}


def test_a_second_backup_writes_what_is_new_and_each_is_whole(folder: Path) -> None:
    root, data, place = folder / "live", ["--data", str(folder / "d")], folder / "backups"
    root.mkdir()
    place.mkdir()
    for number in range(5):
        (root / f"s{number}.jsonl").write_bytes(session(number, 600_000))
    once = ["up", "--once", "--embedders", "0", *PORTS, *data, "--source", str(root)]
    assert mnemo(*once).returncode == 4
    first = told(mnemo("backup", str(place), "--json", *data))
    with open(root / "s3.jsonl", "ab") as grown:
        grown.write(session(99, 40_000))
    assert mnemo(*once).returncode == 4
    second = told(mnemo("backup", str(place), "--json", *data))
    assert first["verified"]
    assert second["verified"]
    assert int(str(second["size"])) < int(str(first["size"])) / 2, (first, second)

    for one, size in ((first, 5), (second, 5)):
        other = folder / f"restored-{Path(str(one['file'])).name}"
        told(mnemo("restore-backup", str(one["file"]), "--json", "--data", str(other)))
        after = ["up", "--once", "--embedders", "0", *PORTS, "--data", str(other), "--source", str(root)]
        done = mnemo(*after)
        assert (done.returncode, f"{size} files" in done.stderr) == (4, True), done.stderr

    shared = set.intersection(
        *({n for p in book.read(Path(str(o["file"]))).parts for n in p.pieces} for o in (first, second))
    )
    of_both = [file for file in Store(place).folder.rglob("*.zst") if file.stem in shared]
    victim = max(of_both, key=lambda file: file.stat().st_size)  # the largest of all may be of one backup only
    victim.write_bytes(b"damaged")
    assert "is damaged" in mnemo("backup", "--check", str(second["file"]), *data).stderr
    third = told(mnemo("backup", str(place), "--json", *data))  # it is written anew
    assert third["verified"]
    assert told(mnemo("backup", "--check", str(first["file"]), "--json", *data))["verified"]

    host = book.read(Path(str(third["file"]))).host
    later = (Path(str(third["file"])).stat().st_mtime) + 2 * YOUNG_SECONDS
    for file in Store(place).folder.rglob("*.zst"):
        os.utime(file, (1000, 1000))
    Schedule(place, 24.0, 1, host).prune(later)
    assert [str(file) for file in place.glob("*.mnemo-backup")] == [third["file"]]
    assert told(mnemo("backup", "--check", str(third["file"]), "--json", *data))["verified"]
    assert {file.stem for file in Store(place).folder.rglob("*.zst")} == book.used(place)
