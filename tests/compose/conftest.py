"""One project of compose for each module of tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stack import Stack, images, no_engine
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A copy of the project with passwords; its images are built."""
    if why := no_engine():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)
    for parent in folder.parents:
        if str(parent).startswith("/tmp/pytest-of"):
            parent.chmod(0o755)  # the engine's users pass through
    tracked = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "bench/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run([sys.executable, "ops/env.py"], cwd=folder, check=True)
    one = Stack(folder)
    images(one)
    return one


@pytest.fixture(scope="module")
def stack(prepared: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """It runs, as the module's OPTIONS say, with one transcript."""
    one = prepared
    shutil.rmtree(one.transcripts, ignore_errors=True)
    one.options = getattr(request.module, "OPTIONS", [])
    one.write("first", 3)
    down = ["--profile", "*", "down", "-v", "-t", "10"]
    one.compose(*down, check=False)  # of a run that was killed
    try:
        one.compose("up", "-d", "--no-build", "--wait")
        yield one
        logs = one.compose("logs", "--no-color", check=False).stdout
        Path(os.environ.get("MNEMO_TEST_COMPOSE_LOG", one.folder / "log")).write_text(logs)
    finally:
        one.compose(*down, check=False)
