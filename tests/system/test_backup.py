"""A backup is restored where it is made, on another machine, after a kill; a damaged one is told."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from mnemostream.archive.backup import book
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local import endpoints, system
from mnemostream.local.backup import log, made
from mnemostream.runtime.bus import Message
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import get
from tests.system.test_cli import MNEMO, mnemo

UP = ("up", "--once", "--nats-port", "0", "--health-port", "0", "--postgres-port", "0")


async def test_it_is_made_while_the_system_runs_and_restored_on_another_machine(folder: Path) -> None:
    root = folder / "projects"
    root.mkdir()
    for number in range(20):
        lines = [line for n in range(20) for line in (prompt(f"question {number} {n}"), answer(f"answer {number} {n}"))]
        (root / f"s{number}.jsonl").write_bytes(jsonl(*lines))
    data, file = folder / "d", folder / "b"
    async with system.running(quick([root.resolve()], data), print) as running:

        async def embedded() -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["embedded"] == total["texts"] == 800

        await eventually(embedded, 120)
        with (root / "s0.jsonl").open("ab") as growing:  # a backup does not wait for what is written meanwhile
            growing.write(jsonl(prompt("one more")))
        done = await asyncio.to_thread(mnemo, "backup", str(file), "--data", str(data), "--json")
        host = endpoints.read(data).host
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["verified"], told["transcripts"], told["problems"]) == (True, 20, [])
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in folder.iterdir()) == ["b", "d", "projects"], "something was left behind"
    manifest = book.read(file)
    assert (manifest.host, manifest.roots) == (host, (str(root.resolve()),))

    other = folder / "other"
    done = mnemo("restore-backup", str(file), "--data", str(other))
    assert done.returncode == 0, done.stderr
    assert (other / "host").read_text() == host
    command = [*_elsewhere(), *MNEMO, *UP, "--data", str(other), "--source", str(root)]
    again = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "20 files" in again.stderr
    async with system.running(quick([root.resolve()], other), print) as running:
        assert endpoints.read(other).host == host

        async def there() -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["embedded"] == total["texts"] == 801

        await eventually(there, 90)
        sessions = await asyncio.to_thread(mnemo, "sessions", "--json", "--data", str(other))
        assert json.loads(sessions.stdout)["total"] == 20, "archived twice"
        proof = await asyncio.to_thread(mnemo, "verify", "--all", "--data", str(other))
    assert proof.returncode == 0, proof.stdout
    assert "20 files" in proof.stdout


def _elsewhere() -> list[str]:
    """What gives a command another host name: as root, a namespace of its own."""
    if os.geteuid() or not shutil.which("unshare"):
        return []
    return ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a few transcripts, made of an archive that does not run."""
    place = tmp_path_factory.mktemp("backup")
    place.chmod(0o755)
    (place / "projects").mkdir()
    for number in range(5):
        (place / "projects" / f"s{number}.jsonl").write_bytes(jsonl(prompt("x" * 20_000), answer(f"y{number}" * 9000)))
    done = mnemo(*UP, "--embedders", "0", "--data", str(place / "d"), "--source", str(place / "projects"))
    assert done.returncode == 4, done.stderr
    done = mnemo("backup", str(place / "b"), "--data", str(place / "d"))
    assert done.returncode == 0, done.stderr
    assert "restored and verified" in done.stdout
    return place / "b"


@pytest.mark.parametrize("part", ["first", "middle", "last"])
def test_a_damaged_file_is_told_and_nothing_is_made_of_it(folder: Path, small: Path, part: str) -> None:
    content = bytearray(small.read_bytes())
    at = {"first": 200, "middle": len(content) // 3, "last": content.index(b'"made_at"') + 12}[part]
    content[at] ^= 0x40
    (folder / "b").write_bytes(content)
    done = mnemo("backup", "--check", str(folder / "b"))
    assert (done.returncode, "damaged" in done.stderr) == (1, True), done.stderr
    done = mnemo("restore-backup", str(folder / "b"), "--data", str(folder / "d"))
    assert (done.returncode, "damaged" in done.stderr) == (1, True), done.stderr
    assert not (folder / "d" / "nats").exists()
    assert mnemo("restore-backup", str(small), "--data", str(folder / "d")).returncode == 0


def test_what_was_cut_off_is_no_backup(folder: Path, small: Path) -> None:
    (folder / "b").write_bytes(small.read_bytes()[:-30])
    done = mnemo("backup", "--check", str(folder / "b"))
    assert (done.returncode, "is no backup, or not whole" in done.stderr) == (1, True), done.stderr


def test_an_archive_that_is_there_is_not_touched(folder: Path, small: Path) -> None:
    assert mnemo("restore-backup", str(small), "--data", str(folder / "d")).returncode == 0
    before = {file: file.read_bytes() for file in (folder / "d" / "nats").rglob("*") if file.is_file()}
    done = mnemo("restore-backup", str(small), "--data", str(folder / "d"))
    assert (done.returncode, "belongs to another archive" in done.stderr) == (2, True), done.stderr
    assert before == {file: file.read_bytes() for file in (folder / "d" / "nats").rglob("*") if file.is_file()}


def test_a_backup_that_cannot_be_written_leaves_the_former_one(folder: Path, small: Path) -> None:
    data = small.parent / "d"
    shutil.copy(small, folder / "b")
    (folder / ".b.partial").mkdir()  # a name that cannot be written, for root either
    done = mnemo("backup", str(folder / "b"), "--data", str(data))
    assert (done.returncode, "cannot do it" in done.stderr) == (2, True), done.stderr
    assert (folder / "b").read_bytes() == small.read_bytes()


def test_a_backup_that_is_not_proved_replaces_no_former_one(folder: Path, small: Path) -> None:
    """A log that lost a segment: the backup is like it, and says so."""
    shutil.copytree(
        small.parent / "d", folder / "d", symlinks=True, ignore=shutil.ignore_patterns("postgres", "lock", "run")
    )
    shutil.copy(small, folder / "b")
    (folder / "d" / "endpoints.json").write_text("{}")  # as a crash leaves it

    async def lose() -> None:
        async with log.alone(folder / "d") as bus:
            event = codec.decode((await bus.stream.get_msg("TRANSCRIPTS", 1)).data or b"")
            assert isinstance(event, TranscriptChanged)
            later = msgspec.structs.replace(event, start=event.end + 5, end=2 * event.end + 5)
            await bus.publish(Message(subjects.changed(event.source, event.transcript), codec.encode(later), "later"))

    asyncio.run(lose())
    done = mnemo("backup", str(folder / "b"), "--data", str(folder / "d"))
    assert (done.returncode, "are missing" in done.stderr) == (1, True), done.stderr
    assert (folder / "b").read_bytes() == small.read_bytes()
    assert sorted(each.name for each in folder.iterdir()) == ["b", "d"], "something was left behind"


def test_a_stop_leaves_nothing_behind(folder: Path, small: Path) -> None:
    chance = random.Random(7)
    for _ in range(5):
        process = subprocess.Popen([*MNEMO, "backup", str(folder / "b"), "--data", str(small.parent / "d")])
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0.5, 1.1))
        process.terminate()
        process.wait(timeout=30)
        assert [each.name for each in folder.iterdir() if each.name != "b"] == []


def test_a_restore_that_is_killed_can_be_repeated(folder: Path, small: Path) -> None:
    chance = random.Random(19)
    for _ in range(6):
        process = subprocess.Popen([*MNEMO, "restore-backup", str(small), "--data", str(folder / "d")])
        try:
            process.wait(timeout=chance.uniform(0.2, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if (folder / "d" / "nats").exists():  # it was quick enough
            shutil.rmtree(folder / "d")
    done = mnemo("restore-backup", str(small), "--data", str(folder / "d"))
    assert done.returncode == 0, done.stderr
    assert asyncio.run(made.check(small, lambda *_: None)).problems == []


def test_backups_are_made_at_an_interval(folder: Path) -> None:
    root, place = folder / "projects", folder / "backups"
    root.mkdir()
    (root / "s.jsonl").write_bytes(jsonl(prompt("a"), answer("b")))
    words = [word for word in UP if word != "--once"]
    env = {**os.environ, "MNEMO_LOCAL_BACKUP_FOLDER": str(place)}
    data = folder / "d"
    command = [*MNEMO, *words, "--embedders", "0", "--data", str(data), "--source", str(root)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:

        async def there() -> None:
            found = list(place.glob("*.mnemo-backup"))
            assert len(found) == 1
            assert book.read(found[0]).host == (data / "host").read_text()

        asyncio.run(eventually(there, 90))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
