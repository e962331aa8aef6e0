"""Pieces of backups in a folder, each once, by the hash of its content: a backup writes what no earlier one has.

pieces/ab/abcdef….zst        a piece, compressed; its name is the SHA-256 of the content
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import zstandard

from mnemostream.archive.backup.pieces import MOST

FOLDER = "pieces"
YOUNG_SECONDS = 86400.0
"""A piece that was written or used so lately may belong to a backup that is being made."""


class Store:
    """The pieces below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.new_bytes = 0
        """Of the pieces that were written, compressed."""

    def _file(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.zst"

    def put(self, content: bytes) -> str:
        """Its name; it is on disk then, and right: one that is there and damaged is written anew. Raises OSError."""
        name = hashlib.sha256(content).hexdigest()
        file = self._file(name)
        with suppress(OSError, ValueError):
            if self.get(name) == content:
                os.utime(file)
                return name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        packed = zstandard.compress(content)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(packed)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(file)
        self.new_bytes += len(packed)
        return name

    def get(self, name: str) -> bytes:
        """Raises OSError where it is missing, ValueError where it is not what it was."""
        try:
            content = zstandard.decompress(self._file(name).read_bytes(), max_output_size=MOST)
        except zstandard.ZstdError as error:
            raise ValueError(f"the piece {name} is damaged: {error}") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise ValueError(f"the piece {name} is damaged: its checksum differs")
        return content

    def sweep(self, used: Iterable[str], now: float) -> int:
        """Removes pieces that nobody uses; how many. `now` in Unix seconds. Raises OSError."""
        kept, gone = set(used), 0
        for file in self.folder.glob("??/*"):
            if file.name.removesuffix(".zst") not in kept and now - file.stat().st_mtime > YOUNG_SECONDS:
                file.unlink()
                gone += 1
        return gone
