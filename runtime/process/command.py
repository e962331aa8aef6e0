"""How our own programs are started."""

from __future__ import annotations

import sys


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours: `-P`, or whatever lies in the working directory under the name of a
    module would be run instead."""
    return [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments]
