"""Walks folders: one stat each, no file is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import msgspec

SOME_ENTRIES = 64


class Stat(msgspec.Struct, frozen=True):
    """Bytes, and the times of the content and of the inode in ns."""

    size: int
    mtime_ns: int
    ctime_ns: int = 0


def stat_of(status: os.stat_result) -> Stat:
    """The part of a stat that tells whether something happened."""
    return Stat(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def walk(
    root: str, wanted: Callable[[str], bool], problems: list[str], touched: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, Stat]]:
    """Files below `root` whose path below it, with '/', is `wanted`; what cannot be listed goes to `problems`.
    `touched` is called with every folder and every few entries: the disk gives signs of life."""
    pending = [""]
    while pending:
        below = pending.pop()
        touched()
        try:
            with os.scandir(os.path.join(root, below) if below else root) as entries:
                for number, entry in enumerate(entries, start=1):
                    if number % SOME_ENTRIES == 0:
                        touched()
                    path = f"{below}/{entry.name}" if below else entry.name
                    if _is_folder(entry):
                        pending.append(path)
                    elif wanted(path) and (stat := _stat(path, entry, problems)):
                        yield path, stat
        except OSError as error:
            if not below or not isinstance(error, FileNotFoundError):
                problems.append(_problem(os.path.join(root, below), error))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False  # its stat tells why


def _stat(path: str, entry: os.DirEntry[str], problems: list[str]) -> Stat | None:
    """None for what is no file, is gone since it was listed, or cannot be looked at."""
    try:
        return stat_of(entry.stat()) if entry.is_file() else None
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(_problem(path, error))
        return None


def _problem(path: str, error: OSError) -> str:
    return f"{os.fsencode(path).decode('utf-8', 'replace')}: {error.strerror}"
