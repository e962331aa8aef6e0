"""States of main that people may have data of: each release, and before the first one the last state of each schema.

A release adds its line here (CONTRIBUTING.md), so that its data is upgraded by every later version.
"""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import ROOT

RELEASED = {"0.1.0": "0d1ab637053da5c35878e43658f4a249ce987107"}
BEFORE = {
    "schema 7": "1c6a3f0bc6",
    "schema 6": "0a9828b159",
    "schema 5": "8dcad1b8e2",
    "schema 4": "634ef67937",
}
"""By the last schema file; events and formats have changed in between, too."""


def sources(commit: str, place: Path) -> Path:
    """The files of a commit; where its modules are found."""
    try:
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"the history that holds {commit} is not here")
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(place, filter="data")
    return place / "src" if (place / "src" / "mnemostream").is_dir() else place
