"""The row logs of one database: a folder of ours with a file a session. They are appended to, and captured from there
as logs are; what was not acknowledged yet survives a kill."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mnemostream.runtime.rows.names import name_of


class Spool:
    """A folder of row logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, session: str) -> Path:
        """The row log of a session."""
        return self.folder / name_of(session)

    def size(self, session: str) -> int:
        """Bytes of a row log; 0 = there is none."""
        try:
            return self.path(session).stat().st_size
        except OSError:
            return 0

    def append(self, session: str, pieces: Iterable[bytes], *, durable: bool) -> int:
        """Appends lines; the size afterwards. Nothing of them stays if the disk is full."""
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self.size(session)
        try:
            with open(self.path(session), "ab") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                return file.tell()
        except OSError:
            self.cut(session, before)
            raise

    def cut(self, session: str, size: int) -> bool:
        """Takes back what was appended and not noted; False if bytes are missing."""
        there = self.size(session)
        if there > size:
            os.truncate(self.path(session), size)
        return there >= size

    def remove(self, session: str) -> None:
        """Ends a row log: the next one is another generation."""
        with suppress(FileNotFoundError):
            self.path(session).unlink()
