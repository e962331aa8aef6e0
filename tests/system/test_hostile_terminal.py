"""Every command on an archive of hostile transcripts: what they hold is shown, and steers nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local import system
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Message
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import get
from tests.system.test_cli import MNEMO, mnemo
from tests.unit.test_terminal import steers

CLIPBOARD = "\x1b]52;c;cm0gLXJm\x1b\\ \x1b[2J \x9b2J \u202egnp.exe"
SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
PASSWORD = "t0p-Gh1K2m3"
HALVES = (SECRET[:20], PASSWORD)
SESSION = "5e\x1b]0;owned\x07[x]"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What rich itself writes: colours alone, since nothing is redrawn here."""
COMMANDS = (
    ("status",),
    ("search", "pay the invoice"),
    ("verify",),
    ("verify", "--all"),
    ("restore", "5e", "-o", "copy.jsonl"),
    ("restore", "no such \x1b[2J"),
    ("forget", "5e", "--dry-run"),
    ("deadletters", "list"),
    ("deadletters", "show", "1"),
    ("deadletters", "show", "1", "--payload"),
    ("deadletters", "retry", "1"),
    ("sessions",),
    ("sessions", "--json"),
    ("show", "5e"),
    ("show", "5e", "--json"),
    ("resume", "5e"),
    ("secrets",),
    ("secrets", "5e"),
    ("secrets", "--json"),
    ("secrets", "5e", "--json"),
    ("deadletters", "show", "1", "--json"),
    ("doctor",),
    ("dashboard",),
    ("replay",),
)


async def test_no_command_lets_a_transcript_reach_the_terminal(folder: Path) -> None:
    root = folder / "projects [x] \x1b[2J"
    root.mkdir()
    bad = jsonl(
        prompt(f"pay the invoice {CLIPBOARD} with {SECRET}", "p1", cwd="/home/[/nosuchtag]", version="\x1b[2J"),
        answer(f"paid {CLIPBOARD} export DB_PASSWORD={PASSWORD}", name="a1"),
        prompt("pay the invoice of the site", "p2", cwd="/site/app/[slug]/page", origin={"kind": "\x1b[2J"}),
        answer("paid too", name="a2"),
        {"type": f"odd {CLIPBOARD}", "uuid": "o"},
    )
    (root / f"{SESSION}.jsonl").write_bytes(bad)
    (root / "notes \u202e\x1b[2J.txt").write_text("left")
    data = ["--data", str(folder / "d")]
    async with system.running(quick([root], folder / "d"), print) as running:
        async with bus.connect(running.endpoints.nats_url, "test") as connection:
            error = f"ValueError: {CLIPBOARD} {SECRET}\nsecond"
            letter = DeadLetter(
                Stage.WRITER, f"w {CLIPBOARD}", "transcripts.changed.x.y", "TRANSCRIPTS", 1, 1, error, error, b"", 1.0
            )
            await connection.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), "letter"))

        async def stored() -> None:
            total = (await get(running, "/v1/autosave/ledger")).json()["total"]
            assert total["texts"] == total["embedded"] == 4
            assert json.loads(mnemo("deadletters", "list", "--json", *data).stdout)["kept"] == 1

        await eventually(stored, 120)
        for words in COMMANDS:
            command = [str(folder / word) if word == "copy.jsonl" else word for word in words]
            piped = "" if "--payload" in command else _piped(*command, *data)  # the bytes as they are, into a file
            for shown in (_typed(folder, *command, *data), piped):
                assert "Traceback" not in shown, (command, shown)
                assert steers(shown) == [], (command, shown)
                assert [secret for secret in HALVES if secret in shown] == [], (command, shown)
        found = mnemo("search", "pay the invoice", "--by", "exchange", *data).stdout
        assert "/home/[/nosuchtag]" in found
        assert "/site/app/[slug]/page" in found
        for command in ("status", "verify", "doctor", "search"):
            words = ["invoice"] if command == "search" else []
            machine = mnemo(command, *words, "--json", *data).stdout
            assert json.loads(machine), command
            assert steers(machine) == [], command
            assert [secret for secret in HALVES if secret in machine] == [], command
        masked = mnemo("search", "pay the invoice", *data).stdout
        assert "[secret: github-pat]" in masked
        assert "[secret: assigned-password]" in mnemo("search", "export a variable", *data).stdout
        for as_json in ([], ["--json"]):
            assert SECRET in mnemo("search", "pay the invoice", "--by", "exchange", "--reveal", *as_json, *data).stdout
            assert SECRET in mnemo("secrets", "5e", "--reveal", *as_json, *data).stdout
            assert SECRET in mnemo("deadletters", "show", "1", "--reveal", *as_json, *data).stdout


def _piped(*command: str) -> str:
    done = mnemo(*command)
    return done.stdout + done.stderr


def _typed(folder: Path, *command: str) -> str:
    """What a terminal of its own is sent."""
    keeper, terminal = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MNEMO_")}
    process = subprocess.Popen(
        [*MNEMO, *command],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**clean, "TERM": "xterm", "PAGER": "cat"},
        cwd=folder,
    )
    os.close(terminal)
    sent = b""
    until = time.monotonic() + 300
    try:
        while time.monotonic() < until:
            try:
                part = os.read(keeper, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            sent += part
        process.wait(timeout=30)
    finally:
        process.kill()
        os.close(keeper)
    redrawn = re.sub(r"\x1b\[(?:\?25[lh]|2K|\d*A|1?G)", "", sent.decode("utf-8"))  # progress bars of rich
    return COLOURS.sub("", redrawn).replace("\r", "")
