"""All tracked files, by root and path, and the scan that finds what changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress
from functools import partial

import msgspec

from mnemostream.contracts import codec
from mnemostream.contracts.sources import CANARY, Root
from mnemostream.runtime.disk.files import Stat, linked, walk
from mnemostream.runtime.disk.left import Left
from mnemostream.runtime.rows.names import AS_ROWS, leaves
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.files.changes import rest_needed
from mnemostream.services.watcher.files.tracked import TrackedFile


class Missing(msgspec.Struct, frozen=True):
    """A watched folder that is not there, or has nothing in it any more."""

    folder: str
    held: int
    """Transcripts that were captured below it."""
    empty: bool = False
    """It is there: perhaps the place of a disk that is not mounted."""

    def __str__(self) -> str:
        of = f" (held {self.held} transcript{'s' * (self.held != 1)})" if self.held else ""
        return f"{codec.printable(self.folder)}{' is empty' * self.empty}{of}"


class Scan(msgspec.Struct, frozen=True):
    """What one scan over all folders found."""

    changed: list[tuple[TrackedFile, Stat]]
    """Files that may have something new, the newest first."""
    problems: list[str]
    """What could not be listed, and why."""
    unreadable: dict[str, str]
    """Those of the files that could not be read before which are still there."""
    files: int
    left: Left
    """What lies below the folders and is not looked into."""
    missing: list[Missing]


class Registry:
    """Files are added when they are first seen, and stay."""

    def __init__(self, roots: list[Root], positions: Positions, host: str) -> None:
        self.roots = roots
        self.positions = positions
        self.host = host
        self._by_root: dict[Root, dict[str, TrackedFile]] = {root: {} for root in roots}

    def __iter__(self) -> Iterator[TrackedFile]:
        return (known for table in self._by_root.values() for known in table.values())

    def add(self, root: Root) -> None:
        """One more root: a database that was found."""
        if root not in self._by_root:
            self._by_root[root] = {}
            self.roots.append(root)

    def located(self, full: str) -> TrackedFile | None:
        """The tracked file of a full path; None if no root owns it, or there is no such file."""
        for root in self.roots:
            if full.startswith(root.place + os.sep):
                path = os.path.relpath(full, root.place).replace(os.sep, "/")
                if known := self._by_root[root].get(path):
                    return known
                if not root.leaves(path) and os.path.isfile(full) and not linked(root.place, path):
                    return self._add(root, path)
        return None

    def stat_roots(self) -> None:
        """Asks the disk of every root for a sign of life; hangs where it hangs."""
        for root in self.roots:
            with suppress(OSError):
                os.stat(root.place)

    def scan(self, sweep: int, unreadable: Mapping[str, str], now: float, touched: Callable[[], None]) -> Scan:
        """Looks at every file once, without opening it. `sweep` is the number of this scan, `now` Unix time; `touched`
        is called with every sign of life of the disk."""
        scan = Scan([], [], {}, 0, Left(), [])
        files = 0
        for root in self.roots:
            try:
                os.stat(root.place)
            except FileNotFoundError:
                if root.source != CANARY and not root.rows and not root.flat:
                    scan.missing.append(Missing(root.folder, self._held(root)))  # or an assistant is not used here
                continue
            except OSError:
                pass  # the walk tells why
            before = files
            table = self._by_root[root]
            wanted = partial(_leaves, root, table, {one.folder for one in self.roots if one.rows})
            for path, stat in walk(root.place, wanted, scan.problems, touched, scan.left, flat=root.flat):
                files += 1
                known = table.get(path) or self._add(root, path)
                if known.is_forgotten and root.ours:
                    known.forgotten()  # it was imported again
                known.sighted(sweep, stat.size)
                again = bool(unreadable) and known.full in unreadable
                if again:
                    scan.unreadable[known.full] = unreadable[known.full]
                if _may_be_new(known, stat, now) or (again and not known.is_forgotten):
                    scan.changed.append((known, stat))
            if files == before and _empty(root.place) and (held := self._held(root)):
                scan.missing.append(Missing(root.folder, held, empty=True))
        scan.left.drop(AS_ROWS)
        scan.changed.sort(key=lambda pair: pair[1].mtime_ns, reverse=True)
        return msgspec.structs.replace(scan, files=files)

    def _held(self, root: Root) -> int:
        seen = sum(1 for known in self._by_root[root].values() if known.captured and not known.ignored)
        return seen + self.positions.left_of(root, self.host)

    def _add(self, root: Root, path: str) -> TrackedFile:
        known = self._by_root[root][path] = TrackedFile(root, path, *self.positions.take(root, path, self.host))
        if self.positions.is_forgotten(root, path, self.host):
            known.forgotten()
        return known


def _leaves(root: Root, table: Mapping[str, TrackedFile], databases: Set[str], path: str) -> str:
    """As the root says; a file that is tracked need not be asked about."""
    return "" if path in table else leaves(root, databases, path)


def _empty(folder: str) -> bool:
    with suppress(OSError), os.scandir(folder) as entries:
        return next(entries, None) is None
    return False


def _may_be_new(known: TrackedFile, stat: Stat, now: float) -> bool:
    """Whether a file must be opened: its stat differs, or its content was not proven and it has rested since."""
    if known.seen != stat:
        return not known.is_forgotten
    return known.unproven and now - stat.mtime_ns / 1e9 > rest_needed(stat.size)
