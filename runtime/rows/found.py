"""The databases of assistants that are on this machine."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from mnemostream.contracts.sources import SOURCES
from mnemostream.contracts.sources.places import expanded
from mnemostream.runtime.disk.projects import projects, root_of, stores


def databases(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> dict[str, str]:
    """The databases of all known assistants that are there, by real path, and their sources."""
    return beside(environ, home, system) | usual(environ, home, system)


def usual(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> dict[str, str]:
    """Those in their usual places."""
    return {
        os.path.realpath(file): source.name
        for source in SOURCES
        for place in source.databases
        for pattern in expanded(place, environ, home, system)
        for file in sorted(glob.glob(_literal_base(pattern)))
        if os.path.isfile(file)
    }


def beside(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> dict[str, str]:
    """Those that lie beside the code of a project."""
    found = stores(projects(environ, home, system))
    return {os.path.realpath(path): name for path, name in found if root_of(path, name) is None}


def _literal_base(pattern: str) -> str:
    """A pattern in which only the registry's `*` mean anything."""
    return re.sub(r"([\[?])", r"[\1]", pattern)
