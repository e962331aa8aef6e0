"""Data of every released version, taken over by this one: nothing is lost, nothing archived twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, jsonl, prompt
from tests.release.versions import BEFORE, RELEASED, sources

pytestmark = [pytest.mark.release, pytest.mark.timeout(600)]
PORTS = [word for name in ("nats", "health", "postgres") for word in (f"--{name}-port", "0")]
OLD_MAIN = """
try:
    from mnemostream.cli.app import main
except ImportError:
    from cli.app import main
main()
"""


def run(modules: Path | None, *words: str, code: int = 0) -> str:
    """`mnemo` of these modules, or the present one; what it wrote."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MNEMO_")}
    if modules:
        env |= {"PYTHONPATH": str(modules), "PYTHONSAFEPATH": "1"}
    start = [sys.executable, "-c", OLD_MAIN] if modules else [sys.executable, "-P", "-m", "mnemostream"]
    done = subprocess.run([*start, *words], capture_output=True, text=True, env=env, cwd="/", timeout=300)
    assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


@pytest.mark.parametrize("version", [*RELEASED, *BEFORE])
def test_its_data_is_taken_over(version: str, folder: Path) -> None:
    commit = {**RELEASED, **BEFORE}[version]
    modules = sources(commit, folder / "old")
    live, data = folder / "live", ["--data", str(folder / "d")]
    shutil.copytree(EXAMPLES, live)
    start = ["up", "--once", *data, *PORTS, "--source", str(live)]
    run(modules, *start)

    files = sorted(live.rglob("*.jsonl"))
    files[0].unlink()
    with open(files[1], "ab") as grown:
        grown.write(jsonl(prompt("written while nothing ran, between two versions")))
    (files[1].parent / "new.jsonl").write_bytes(jsonl(prompt("a session that the former version never saw")))
    run(None, *start)

    detached = ["up", "--detach", *data, *PORTS, "--source", str(live)]
    run(None, *detached)
    try:
        report = json.loads(run(None, "verify", "--all", "--json", *data))
        assert report["equal"]
        assert report["archived_only"] == 1, "the file that was deleted is kept"
        assert report["files"] == len(files), "every file once"
        sessions = json.loads(run(None, "sessions", "--json", "-n", "100", *data))
        ids = [one["session_id"] for one in sessions["sessions"]]
        assert len(ids) == len(set(ids))
        for words in ("between two versions", "former version never saw"):
            hits = json.loads(run(None, "search", words, "--json", *data))["hits"]
            assert words in json.dumps(hits[0]), words
        before = files[0].relative_to(live)
        to = ["-o", str(folder / "again.jsonl"), "--json", *data, "--"]
        (written,) = json.loads(run(None, "restore", *to, str(before)))
        assert Path(written["file"]).read_bytes() == (EXAMPLES / before).read_bytes()
    finally:
        run(None, "down", *data)
