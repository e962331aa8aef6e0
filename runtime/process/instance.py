"""A name for a process that has none by setting, and that its successor on this machine gets again.

With the process id in it, every restart would be somebody new: a crash loop would look like many that vanished,
and its failures would be counted from zero each time.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnemostream.contracts.events import Stage

SLOTS = 1024


@contextmanager
def claimed(stage: Stage, folder: Path | None = None) -> Iterator[str]:
    """`<host>-<place>-<n>` with the lowest n that no living process of this stage holds in the folder of locks; `place`
    tells that folder from another user's, or another namespace's, on this machine.

    The kernel takes the lock back when the process ends, however it ends. Where there are no such locks, or no
    folder of our own for them, it is `<host>-<process id>`.
    """
    held = _slot(stage, folder or Path(tempfile.gettempdir()) / f"mnemostream-{_user()}")
    try:
        yield f"{socket.gethostname()}-{held[0] if held else os.getpid()}"
    finally:
        if held:
            os.close(held[1])


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _slot(stage: Stage, folder: Path) -> tuple[str, int] | None:
    """Place and number, and the open descriptor, of the first free slot."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != _user():
            return None  # somebody else's, in a folder that all may write to
        place = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:4]
        for number in range(SLOTS):
            descriptor = os.open(folder / f"{stage}-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return f"{place}-{number}", descriptor
            except BlockingIOError:
                os.close(descriptor)
    except OSError:
        return None
    return None
