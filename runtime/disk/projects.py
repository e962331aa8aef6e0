"""The folders of a person's projects, as the assistants and editors on this machine name them."""

from __future__ import annotations

import glob
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from mnemostream.contracts.sources import SOURCES, Root
from mnemostream.contracts.sources.places import expanded

LISTS = (
    "$CLAUDE_CONFIG_DIR/.claude.json | ~/.claude.json",
    "$CODEX_HOME/config.toml | ~/.codex/config.toml",
    "$CRUSH_GLOBAL_DATA/projects.json | {data}/crush/projects.json",
    "~/.gemini/projects.json",
    "{editors}/workspaceStorage/*/workspace.json",
)
"""Files that name projects, with `*`: as the keys of `projects`, or as `path` or `folder`."""
MOST_BYTES = 64 << 20
MOST = 5000
"""Projects that are looked into."""


def projects(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> list[str]:
    """The folders that are there."""
    found: dict[str, None] = {}
    for place in LISTS:
        for pattern in expanded(place, environ, home, system):
            for file in sorted(glob.glob(pattern)):
                found |= dict.fromkeys(_folders(file))
    return list(found)[:MOST]


def stores(folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What assistants keep beside the code of these projects and is there: its path, and the assistant's name. What a
    link leads to is left: a repository may hold any link."""
    for source in SOURCES:
        for folder in folders if source.projects else ():
            for below in source.projects:
                path = os.path.join(folder, *below.split("/"))
                if os.path.exists(path) and os.path.realpath(path) == path:
                    yield path, source.name


def roots(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> list[Root]:
    """Those of them that are files or folders of transcripts, as roots; databases are found by `runtime.rows.found`."""
    return [root for path, name in stores(projects(environ, home, system)) if (root := root_of(path, name))]


def root_of(path: str, name: str) -> Root | None:
    """A folder is a root; a file is one of its folder, in which nothing else is looked at."""
    if os.path.isdir(path):
        return Root(path, name, next(source.files for source in SOURCES if source.name == name))
    if path.endswith(".md"):
        return Root(os.path.dirname(path), name, re.escape(os.path.basename(path)), flat=True)
    return None


def _folders(file: str) -> list[str]:
    """The folders that a file names and that are there; nothing of one that cannot be read."""
    found: list[str] = []
    with suppress(OSError, ValueError, RecursionError, msgspec.DecodeError):
        if not os.path.isfile(file) or os.path.getsize(file) > MOST_BYTES:
            return []
        data = Path(file).read_bytes()
        told = tomllib.loads(data.decode()) if file.endswith(".toml") else msgspec.json.decode(data)
        for name in _of(told) if isinstance(told, dict) else ():
            with suppress(OSError, ValueError):  # no name of a file
                if os.path.isdir(folder := os.path.realpath(name)):
                    found.append(folder)
    return found


def _of(told: dict[str, object]) -> Iterator[str]:
    listed = told.get("projects")
    if isinstance(listed, dict):
        yield from (name for name in listed if os.path.isabs(name))
    for one in [told, *(listed if isinstance(listed, list) else [])]:
        for field in ("path", "folder"):
            value = one.get(field) if isinstance(one, dict) else None
            if isinstance(value, str):
                yield from filter(os.path.isabs, [_plain(value)])


def _plain(value: str) -> str:
    """A path, or that of a `file:` address of this machine; "" for another one."""
    if "://" not in value:
        return value
    address = urlsplit(value)
    return unquote(address.path) if address.scheme == "file" and not address.netloc else ""
