"""What is released, built once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def done(*command: str | Path, code: int = 0, **more: str) -> str:
    """What it said."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MNEMO_", "PYTHON", "VIRTUAL"))}
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**plain, **more}, timeout=900)
    assert run.returncode == code, (command, run.returncode, run.stdout[-2000:], run.stderr[-4000:])
    return run.stdout + run.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel; the wheel is made from the sdist."""
    place = tmp_path_factory.mktemp("release")
    left_out = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, place / "sources", symlinks=True, ignore=left_out)
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", place / "sources")
    return place / "dist"
