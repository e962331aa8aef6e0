"""Pieces of backups in a folder, each once, by the hash of its content: a backup writes what no earlier one has.

pieces/ab/abcdef….zst        a piece, compressed; its name is the SHA-256 of the content
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import zstandard

from mnemostream.archive.backup.pieces import MOST
from mnemostream.runtime.disk.durable import durable

FOLDER = "pieces"
PIECE = re.compile(r"\.?([0-9a-f]{64})\.zst(?:\.[0-9a-f]{16})?")
"""The name of a piece, or of one that is being written."""
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
        self._made(file.parent)
        packed = zstandard.compress(content)
        fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(packed)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(file)
        durable(file.parent)
        self.new_bytes += len(packed)
        return name

    def _made(self, folder: Path) -> None:
        """A folder of pieces, whose entry stays if the power fails."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            durable(self.folder)
            durable(self.folder.parent)

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
        """Removes pieces that nobody uses; how many. Nothing but pieces is touched. `now` in Unix seconds. Raises
        OSError."""
        kept, gone = set(used), 0
        for file in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            found = PIECE.fullmatch(file.name)
            if not found or not found[1].startswith(file.parent.name) or file.name.removesuffix(".zst") in kept:
                continue
            with suppress(FileNotFoundError):  # another host has swept, too
                if now - file.lstat().st_mtime > YOUNG_SECONDS:
                    file.unlink()
                    gone += 1
        return gone
