"""The lines that one look adds to a row log, until they are appended: a session may be larger than our memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MOST_HELD = 1 << 20
"""Bytes that are held in memory; more wait in a file that has no name."""
PIECE = 1 << 18


class Lines:
    """Lines in their order. `folder` is one of ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(MOST_HELD, "w+b", dir=str(folder))  # noqa: SIM115
        self._count = 0
        self.size = 0
        """Their bytes."""

    def __len__(self) -> int:
        return self._count

    def append(self, line: bytes) -> None:
        """One more."""
        self._file.write(line)
        self._count += 1
        self.size += len(line)

    def taken(self) -> Iterator[bytes]:
        """Their bytes in pieces."""
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield piece

    def close(self) -> None:
        """Lets them go."""
        self._file.close()
