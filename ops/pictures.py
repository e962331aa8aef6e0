"""Makes the pictures of the README from the real thing, on the bundled examples:

python ops/pictures.py             (`make pictures`; needs chromium)

docs/images/recording.svg    a terminal: killed with -9 while it captures, started again, everything equal
docs/images/search.png       the page to search and read
docs/images/health.png       the page that shows each stage
"""

from __future__ import annotations

import asyncio
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from playwright.async_api import Page, async_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
PORTS = "--nats-port 0 --postgres-port 0 --health-port 0"
LINE, CHARACTER, MARGIN = 20, 8.43, 18
"""Pixels of a terminal's cell, and around the text."""
WIDTH = 112
"""Columns; longer lines are cut."""

STEPS = (
    ("", "mnemo up --detach --source claude-code=projects"),
    ("a session is being written, and everything is killed", "cat half.jsonl >> projects/tides/session.jsonl"),
    ("", "kill -9 {processes}"),
    ("", "cat rest.jsonl >> projects/tides/session.jsonl"),
    ("", "mnemo up --detach --source claude-code=projects"),
    ("every file is read again and compared with the log and the database", "mnemo verify --all"),
    ("the assistant deletes the session", "rm projects/tides/session.jsonl"),
    ("", "mnemo restore -o again.jsonl tides/session.jsonl && cmp original.jsonl again.jsonl && echo identical"),
)
"""What is said before, if anything, and the command."""


def main() -> None:
    """Raises CalledProcessError where a command fails: what is shown is what happened."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mnemo-pictures-") as place:
        home = Path(place)
        home.chmod(0o755)
        env = {**os.environ, "HOME": place, "XDG_DATA_HOME": f"{place}/.local/share", "COLUMNS": str(WIDTH)}
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        try:
            lines = recorded(home, env)
            (IMAGES / "recording.svg").write_text(drawn(lines))
            told = subprocess.run(["mnemo", "dashboard"], env=env, capture_output=True, text=True, check=True)
            asyncio.run(photographed(told.stdout.strip()))
        finally:
            subprocess.run(["mnemo", "down"], env=env, capture_output=True, check=False)


def recorded(home: Path, env: dict[str, str]) -> list[tuple[str, str]]:
    """Lines of the terminal, each with its kind: command, comment or output."""
    shutil.copytree(ROOT / "examples" / "projects", home / "projects")
    source = max((home / "projects").rglob("*.jsonl"), key=lambda file: file.stat().st_size)
    content = source.read_bytes()
    (home / "projects" / "tides").mkdir()
    (home / "original.jsonl").write_bytes(content)
    half = content.index(b"\n", len(content) // 2) - 40  # in the middle of a line
    (home / "half.jsonl").write_bytes(content[:half])
    (home / "rest.jsonl").write_bytes(content[half:])
    source.unlink()
    lines = []
    for comment, command in STEPS:
        if comment:
            lines.append(("comment", f"# {comment}"))
        command = command.format(processes=" ".join(map(str, processes(env))))
        lines.append(("command", f"$ {command}"))
        done = subprocess.run(
            ["bash", "-c", command.replace("mnemo up", f"mnemo up {PORTS}")],
            cwd=home, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        if "mnemo up" in command:
            saved(env)
        said = (done.stdout + done.stderr).replace(str(home), "~").splitlines()
        lines += [("output", line.rstrip()[:WIDTH]) for line in said if line.strip()]
    return lines


def processes(env: dict[str, str]) -> list[int]:
    """Those of `mnemo up`, its own first."""
    lock = Path(env["XDG_DATA_HOME"]) / "mnemostream" / "lock"
    if not lock.exists():
        return []
    try:
        first = psutil.Process(int(lock.read_text()))
    except (psutil.NoSuchProcess, ValueError):
        return []
    return [first.pid, *(child.pid for child in first.children(recursive=True))]


def saved(env: dict[str, str]) -> None:
    """Returns when all that is on disk is saved and embedded: what follows tells of a system at rest."""
    for _ in range(240):
        verify = ["mnemo", "verify", "--all", "--json"]
        told = subprocess.run(verify, env=env, capture_output=True, text=True, check=False)
        report = json.loads(told.stdout) if told.stdout.startswith("{") else {}
        if report.get("equal") and not report["texts_without_vector"] and not report["exchanges_not_indexed"]:
            return
        subprocess.run(["sleep", "0.5"], check=True)
    raise RuntimeError(f"not saved: {told.stdout}{told.stderr}")


def drawn(lines: list[tuple[str, str]]) -> str:
    """The terminal as an SVG whose lines appear one after the other (CSS only); without animations all are there."""
    width, height = round(WIDTH * CHARACTER) + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN + 24
    texts, at = [], 0.0
    for number, (kind, line) in enumerate(lines):
        at += {"comment": 1.2, "command": 0.9, "output": 0.12}[kind]
        y = MARGIN + 24 + (number + 1) * LINE - 6
        texts.append(
            f'<text class="{kind}" x="{MARGIN}" y="{y}" style="animation-delay:{at:.2f}s">{html.escape(line)}</text>'
        )
    dots = "".join(f'<circle cx="{MARGIN + 4 + 18 * n}" cy="20" r="5" fill="#4b5365"/>' for n in range(3))
    title = "Mnemostream in a terminal: killed, started again, everything equal"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{title}"><title>{title}</title><style>'
        "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre;"
        "fill:#c8d0e0;animation:appear .15s both}.command{fill:#8fd6a4;font-weight:600}.comment{fill:#8b95a9}"
        "@keyframes appear{from{opacity:0}to{opacity:1}}"
        "@media (prefers-reduced-motion:reduce){text{animation:none}}</style>"
        f'<rect width="{width}" height="{height}" rx="10" fill="#161a23"/>{dots}{"".join(texts)}</svg>\n'
    )


async def photographed(address: str) -> None:
    """The two pages, as they are. `address` as `mnemo dashboard` prints it."""
    url, _, token = address.partition("/#")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page = await context.new_page()
        await page.goto(f"{url}/#{token}")
        await page.fill("#q", "customers were billed twice")
        await page.wait_for_selector("#hits mark")
        await page.wait_for_selector("text=texts embedded", state="hidden")
        await page.locator("#hits a").first.click()
        await page.wait_for_load_state("networkidle")
        await _shot(page, "search")
        await page.goto(f"{url}/autosave#{token}")
        await page.wait_for_selector(".stage .badge.healthy >> nth=2")
        await page.wait_for_timeout(1500)
        await _shot(page, "health")
        await browser.close()


async def _shot(page: Page, name: str) -> None:
    await page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
