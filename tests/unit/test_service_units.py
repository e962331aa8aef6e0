"""What service managers read and hear: units, property lists, notifications; and the gap since the last run."""

from __future__ import annotations

import asyncio
import plistlib
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.local.service import manager, notify, units, watched
from mnemostream.local.service.manager import CannotManage, Launchd, Systemd

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def unquoted(line: str) -> list[str]:
    """As systemd reads a quoted line, by systemd.syntax(7)."""
    assert re.fullmatch(r'("(\\.|[^"\\])*" ?)+', line, re.DOTALL), line
    words = re.findall(r'"((?:\\.|[^"\\])*)"', line, re.DOTALL)
    escapes = {"n": "\n", '"': '"', "\\": "\\"}
    return [
        re.sub(r"\\(.)", lambda found: escapes[found[1]], word).replace("%%", "%").replace("$$", "$") for word in words
    ]


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_every_argument_arrives_as_it_was(words: list[str]) -> None:
    text = units.unit(words, "/d/service.env", system=False)
    [line] = re.findall(r"^ExecStart=(.*)$", text, re.M)
    assert unquoted(line) == words
    assert "WantedBy=default.target" in text
    assert 'EnvironmentFile=-/d$/a "b" 100%%/service.env\n' in units.unit(
        words, '/d$/a "b" 100%/service.env', system=True
    )
    assert "WantedBy=multi-user.target" in units.unit(words, "/d", system=True)


def test_an_agent_is_a_property_list() -> None:
    read = plistlib.loads(units.agent(["/v/python", "a b"], {"MNEMO_X": "1"}, "/d/log"))
    assert read["ProgramArguments"] == ["/v/python", "a b"]
    assert read["EnvironmentVariables"] == {"MNEMO_X": "1"}
    assert (read["RunAtLoad"], read["KeepAlive"]) == (True, {"SuccessfulExit": False})


@pytest.mark.parametrize(
    ("since", "days", "said"),
    [
        (None, 30.0, ""),
        (940.0, 30.0, ""),
        (0.0, None, "nothing was watched for 17 min, since then"),
        (0.0, 30.0, "Claude Code deletes after 30 days: what was written is still there"),
        (1000.0 - 40 * 86400, 30.0, "nothing was watched for 40.0 days, since then; Claude Code deletes after 30 days"),
        (1000.0 - 40 * 86400, 30.0, "sessions of the time before that may be lost"),
    ],
)
def test_a_gap_is_told_with_what_may_be_lost(since: float | None, days: float | None, said: str) -> None:
    words = watched.words(since, 1000.0, days, "then")
    assert said in words
    assert bool(said) == bool(words)


async def test_the_manager_hears_that_it_is_ready_alive_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000")
        async with notify.running(tmp_path):
            assert heard.recv(99) == b"READY=1"
            told = [await asyncio.to_thread(heard.recv, 99) for _ in range(3)]
            assert set(told) == {b"WATCHDOG=1"}
        told = []
        while b"STOPPING=1" not in told:
            told.append(heard.recv(99))
    assert watched.until(tmp_path) is not None


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of service managers that only note what they are asked."""
    log = tmp_path / "asked"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "loginctl", "launchctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{log}"\necho active\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return log


def test_systemd_is_asked_to_keep_it_for_a_user_who_is_not_logged_in(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager.os, "geteuid", lambda: 1000)
    one = Systemd(tmp_path / "d", tmp_path / "home")
    for _ in range(2):  # repeated, it is the same
        wrote = one.install(["/v/python", "up"], {"MNEMO_REDACT": "publish", "HOME": "/h", "CODEX_HOME": "/c"})
    assert wrote == [tmp_path / "home/.config/systemd/user/mnemostream.service", tmp_path / "d/service.env"]
    assert wrote[1].read_text() == 'CODEX_HOME="/c"\nMNEMO_REDACT="publish"\n'
    assert wrote[1].stat().st_mode & 0o077 == 0
    assert one.state() == "active"
    one.install(["/v/python", "up", "--data", str(tmp_path / "d")], {"MNEMO_REDACT": "publish", "CODEX_HOME": "/c"})
    assert one.is_of_this_folder()
    assert not Systemd(tmp_path / "another", tmp_path / "home").is_of_this_folder()
    assert one.uninstall() == wrote
    assert one.state() == "not installed"
    lines = asked.read_text().splitlines()
    assert lines[:4] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable mnemostream",
        "loginctl enable-linger",
        "systemctl --user restart mnemostream",
    ]
    assert "systemctl --user disable --now mnemostream" in lines


def test_as_root_it_is_a_service_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager.os, "geteuid", lambda: 0)
    assert Systemd(tmp_path, tmp_path).file == Path("/etc/systemd/system/mnemostream.service")


def test_launchd_is_asked_to_keep_it(asked: Path, tmp_path: Path) -> None:
    one = Launchd(tmp_path / "d", tmp_path / "home")
    [file] = one.install(["/v/python", "up"], {})
    assert plistlib.loads(file.read_bytes())["Label"] == units.LABEL
    one.restart()
    assert one.uninstall() == [file]
    assert [line.split()[1] for line in asked.read_text().splitlines()] == [
        "bootout",
        "bootstrap",
        "kickstart",
        "bootout",
    ]


def test_a_manager_that_refuses_is_told(tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager.os, "geteuid", lambda: 1000)
    (asked.parent / "bin" / "systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    with pytest.raises(CannotManage, match="Failed to connect to bus"):
        Systemd(tmp_path / "d", tmp_path).install(["x"], {})
