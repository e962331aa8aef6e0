"""How our own programs are started."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path


@cache
def program() -> str:
    """How a person calls `mnemo` here: by its name where the PATH has this one, else by its path."""
    called = Path(sys.argv[0])
    ours = called if called.name == "mnemo" else Path(sys.executable).with_name("mnemo")
    found = shutil.which("mnemo")
    if not ours.exists() or (found and os.path.samefile(found, ours)):
        return "mnemo"
    try:
        shown = min(os.path.relpath(ours), str(ours.absolute()), key=len)
    except OSError:  # the working directory is gone
        shown = str(ours)
    return shlex.quote(shown)


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours: `-P`, or whatever lies in the working directory under the name of a
    module would be run instead."""
    return [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments]
