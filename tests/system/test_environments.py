"""Every command in environments that machines have: it works, or one sentence says why not; never a traceback."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    ("status",),
    ("doctor",),
    ("sessions",),
    ("show", "x"),
    ("search", "x"),
    ("resume", "x"),
    ("restore", "x"),
    ("export", "x", "--json"),
    ("embed", "x", "--again"),
    ("forget", "x", "--dry-run"),
    ("verify",),
    ("replay",),
    ("secrets",),
    ("deadletters", "list"),
    ("dashboard",),
    ("nats-context",),
    ("mcp",),
    ("mcp", "install", "--dry-run"),
    ("up", "--once", "--source", "/no/such/folder"),
)
EXITS = {0, 1, 2, 3, 64}
"""docs/operations.md, "Exit codes"; 64 is bad usage."""

NO_PASSWD = "import pwd\ndef _none(uid): raise KeyError(uid)\npwd.getpwuid = _none\n"
"""A user id that the system has no entry of, as in `docker run --user 12345`."""


def environment(kind: str, folder: Path) -> tuple[dict[str, str], Path]:
    """Variables and working directory."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    here = folder / "here"
    for place in (folder / "home", here):
        place.mkdir()
    match kind:
        case "nobody at home":
            del env["HOME"]
            (folder / "site").mkdir()
            (folder / "site" / "sitecustomize.py").write_text(NO_PASSWD)
            env["PYTHONPATH"] = str(folder / "site")
        case "read-only home":
            (folder / "home").chmod(0o500)
        case "home is a file":
            env["HOME"] = str(folder / "file")
            (folder / "file").touch()
        case "optimised":
            env["PYTHONOPTIMIZE"] = "2"
        case "other modules here":
            for module in (
                "random.py",
                "secrets.py",
                "queue.py",
                "cli.py",
                "runtime/__init__.py",
                "services/__init__.py",
            ):
                (here / module).parent.mkdir(exist_ok=True)
                (here / module).write_text("raise SystemExit('a module of somebody else')")
        case "foreign locale":
            env |= {"LC_ALL": "xx_YY.ISO-8859-15", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "20"}
        case "proxies":
            env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://127.0.0.1:9")
    return env, here


@pytest.mark.parametrize(
    "kind",
    [
        "nobody at home",
        "read-only home",
        "home is a file",
        "optimised",
        "other modules here",
        "foreign locale",
        "proxies",
    ],
)
async def test_every_command_says_what_is_wrong(folder: Path, kind: str) -> None:
    env, here = environment(kind, folder)
    turns = asyncio.Semaphore(4)
    mnemo = str(Path(sys.executable).with_name("mnemo"))

    async def tried(words: tuple[str, ...]) -> str:
        async with turns:
            child = await asyncio.create_subprocess_exec(
                *(mnemo, *words), env=env, cwd=here, stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, umask=0
            )
            said = b"\n".join(await asyncio.wait_for(child.communicate(), 60)).decode("utf-8", "replace")
        wrong = child.returncode not in EXITS or "Traceback" in said or "somebody else" in said
        silent = child.returncode and not said.strip()
        return f"{words}: {child.returncode} {said[-600:]}" if wrong or silent else ""

    assert [bad for bad in await asyncio.gather(*map(tried, COMMANDS)) if bad] == []
    (folder / "home").chmod(0o700)
    made = [path for path in (folder / "home").rglob("*") if path.stat().st_mode & 0o077]
    assert made == []  # though the umask is 0
