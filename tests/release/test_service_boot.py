"""The service on a machine with a real systemd: installed from the wheel, everything killed, booted again."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually, jsonl, prompt
from tests.release.conftest import done
from tests.release.machine import Machine, why_not

pytestmark = [
    pytest.mark.release,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can"),
]
SECONDS = 90.0
TEXTS = ("written while it watched", "written while the machine was off", "written after the machine came back")


@pytest.fixture(scope="module")
def program(built: Path) -> Iterator[Path]:
    """`mnemo`, installed from the wheel where every user can run it."""
    place = Path("/opt/mnemostream-under-test")
    shutil.rmtree(place, ignore_errors=True)
    done(sys.executable, "-m", "venv", "--copies", place)
    done(place / "bin" / "pip", "install", "-q", next(built.glob("*.whl")))
    yield place / "bin" / "mnemo"
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def machine(folder: Path) -> Iterator[Machine]:
    one = Machine(folder / "machine", "laptop")
    one.state.mkdir()
    try:
        one.boot()
        yield one
    finally:
        one.cut()


@pytest.mark.parametrize("user", ["alice", ""], ids=["a user who is not logged in", "root"])
def test_it_survives_the_end_of_everything(program: Path, machine: Machine, user: str) -> None:
    home = f"/home/{user}" if user else "/root/elsewhere"
    if user:
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", user)
        machine.run("loginctl", "enable-linger", user)
    data = f"{home}/.local/share/mnemostream"
    before = files(machine, home)

    def mnemo(*words: str, check: bool = True) -> str:
        return machine.run(str(program), *words, "--data", data, user=user, check=check)

    def write(text: str) -> None:
        line = jsonl(prompt(text)).decode()
        script = f"mkdir -p {home}/.claude/projects/-p && cat >> {home}/.claude/projects/-p/s.jsonl <<'END'\n{line}END"
        machine.run("sh", "-c", script, user=user)

    def saved(count: int) -> None:
        """The transcript is stored up to its end, found, and proved."""

        async def proved() -> None:
            report = json.loads(await asyncio.to_thread(mnemo, "verify", "--all", "--json"))
            assert (report["equal"], report["files"]) == (True, 1), report
            assert TEXTS[count - 1] in await asyncio.to_thread(mnemo, "search", TEXTS[count - 1], "--json")

        asyncio.run(eventually(proved, SECONDS))

    write(TEXTS[0])
    options = ["--embedders", "0", "--source", f"claude-code={home}/.claude/projects"]
    wrote = mnemo("service", "install", *options)
    assert "wrote " in wrote
    assert "after a reboot" in wrote
    assert mnemo("service", "install", *options).count("wrote ") == wrote.count("wrote "), "it can be repeated"
    saved(1)
    machine.cut()
    transcript = machine.state / "upper" / f"{home}/.claude/projects/-p/s.jsonl".lstrip("/")
    with open(transcript, "ab") as off:
        off.write(jsonl(prompt(TEXTS[1])))
    machine.boot()
    saved(2)
    write(TEXTS[2])
    saved(3)
    assert "active" in mnemo("service", "status")
    before_kill = main_pid(machine, user)
    machine.run("kill", "-9", str(before_kill))

    async def started_again() -> None:
        assert main_pid(machine, user) not in (0, before_kill)

    asyncio.run(eventually(started_again))
    saved(3)

    mnemo("service", "uninstall")
    assert mnemo("service", "status", check=False).strip().startswith("systemd: not installed")
    left = {file for file in files(machine, home) - before if not file.startswith((data, f"{home}/.claude/"))}
    assert left == set(), "nothing stays but the data"
    assert "mnemostream" not in machine.run("sh", "-c", "ls -R /etc/systemd/system")


def main_pid(machine: Machine, user: str) -> int:
    """Of the service, as systemd knows it."""
    words = ["systemctl", *(["--user"] if user else []), "show", "--property=MainPID", "--value", "mnemostream"]
    return int(machine.run(*words, user=user).strip() or 0)


def files(machine: Machine, home: str) -> set[str]:
    """Every file and link below a home."""
    return set(machine.run("find", home, "(", "-type", "f", "-o", "-type", "l", ")", check=False).split())
