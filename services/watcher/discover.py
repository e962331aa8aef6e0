"""Finds transcripts below the roots: one stat each, no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.watcher.changes import Seen

SUFFIX = ".jsonl"


class Found(msgspec.Struct, frozen=True):
    """A transcript on disk: its root and its path below it with '/', both as text."""

    root: str
    path: str

    @property
    def full(self) -> str:
        return os.path.join(self.root, *self.path.split("/"))


def distinct(folders: list[Path]) -> list[str]:
    """Resolved roots; one that lies inside another is dropped, so that each file has one owner."""
    resolved = sorted({folder.resolve() for folder in folders})
    return [
        str(root) for root in resolved if not any(other != root and root.is_relative_to(other) for other in resolved)
    ]


def scan(roots: list[str]) -> tuple[list[tuple[Found, Seen]], list[str]]:
    """All transcripts, newest first, and what could not be listed."""
    problems: list[str] = []
    found = [pair for root in roots for pair in _walk(root, "", problems)]
    found.sort(key=lambda pair: pair[1].mtime_ns, reverse=True)
    return found, problems


def _walk(root: str, below: str, problems: list[str]) -> Iterator[tuple[Found, Seen]]:
    try:
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                try:
                    if entry.is_dir(follow_symlinks=False):
                        yield from _walk(root, path, problems)
                    elif entry.name.endswith(SUFFIX) and entry.is_file():
                        stat = entry.stat()
                        yield Found(root, path), Seen(stat.st_size, stat.st_mtime_ns)
                except OSError as error:
                    problems.append(f"{path}: {error.strerror}")
    except OSError as error:
        problems.append(f"{os.path.join(root, below)}: {error.strerror}")


def locate(roots: list[str], full: str) -> tuple[Found, Seen] | None:
    """The transcript at a path that was notified; None if it is none, or gone."""
    for root in roots:
        if full.startswith(root + os.sep) and full.endswith(SUFFIX):
            try:
                stat = os.stat(full)
            except OSError:
                return None
            return Found(root, os.path.relpath(full, root).replace(os.sep, "/")), Seen(stat.st_size, stat.st_mtime_ns)
    return None
