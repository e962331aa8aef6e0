"""Walks folders: one stat each, no file is opened, no link is followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import msgspec

from mnemostream.runtime.disk.left import Left

SOME_ENTRIES = 64

LINK = "link not followed"
NO_FILE = "not a regular file"


class Stat(msgspec.Struct, frozen=True, gc=False):
    """Bytes, and the times of the content and of the inode in ns."""

    size: int
    mtime_ns: int
    ctime_ns: int = 0


def stat_of(status: os.stat_result) -> Stat:
    """The part of a stat that tells whether something happened."""
    return Stat(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def linked(root: str, path: str) -> bool:
    """True if the path below `root`, with '/', leads over a symbolic link."""
    at = root
    for part in path.split("/"):
        at = os.path.join(at, part)
        if os.path.islink(at):
            return True
    return False


def walk(
    root: str,
    wanted: Callable[[str], str],
    problems: list[str],
    touched: Callable[[], None] = lambda: None,
    left: Left | None = None,
    *,
    flat: bool = False,
) -> Iterator[tuple[str, Stat]]:
    """Files below `root` that are `wanted`: it is given the path below the root, with '/', and says "" for yes, else
    why not. What cannot be listed goes to `problems`; what is not wanted, and links that lead outside, go to `left`.
    `touched` is called with every folder and every few entries: the disk gives signs of life. `flat` = only files
    directly in `root`, and nothing goes to `left`."""
    others = Left() if left is None or flat else left
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
                        pending += [] if flat else [path]
                    elif (reason := _unwanted(root, path, entry, wanted)) is not None:
                        if reason:
                            others.add(reason, path)
                    elif stat := _stat(path, entry, problems):
                        yield path, stat
        except OSError as error:
            if not below or not isinstance(error, FileNotFoundError):
                problems.append(_problem(os.path.join(root, below), error))


def _unwanted(root: str, path: str, entry: os.DirEntry[str], wanted: Callable[[str], str]) -> str | None:
    """Why an entry that is no folder is left; "" for what need not be told, None for a file that is wanted."""
    try:
        if entry.is_file(follow_symlinks=False):  # most are
            return wanted(path) or None
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            inside = target.startswith(os.path.realpath(root) + os.sep)
            return "" if inside or not os.path.exists(target) else LINK
    except OSError:
        return None  # its stat tells why
    return NO_FILE


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False  # its stat tells why


def _stat(path: str, entry: os.DirEntry[str], problems: list[str]) -> Stat | None:
    """None for what is gone since it was listed, or cannot be looked at."""
    try:
        return stat_of(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(_problem(path, error))
        return None


def _problem(path: str, error: OSError) -> str:
    return f"{os.fsencode(path).decode('utf-8', 'replace')}: {error.strerror}"
