"""What one look at a file says. Pure."""

from __future__ import annotations

import msgspec


class Stat(msgspec.Struct, frozen=True):
    """Bytes, and the times of the content and of the inode in ns."""

    size: int
    mtime_ns: int
    ctime_ns: int = 0
