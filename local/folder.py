"""The data folder: nobody else looks into it, and one `mnemo up` at a time runs on it."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from mnemostream.local.secrets import write_private

PRIVATE = 0o077
"""What others may do: nothing. As umask, and as the bits that `doctor` looks for."""
HOST = "host"
RESTORING = ".restoring"
"""Folder in which a backup is restored, in the data folder."""
RUN = "run"
"""Folder of the signs of life, and of the API's socket, in the data folder."""
IMPORTS = "imports"
"""Folder of the files that `mnemo import` brings, in the data folder."""
MOST_SOCKET_BYTES = 90
"""Of the path of a folder with sockets: the name of one comes behind it, and `sun_path` has 104 bytes on macOS."""


class Busy(Exception):
    """Another process runs on the same data folder."""

    def __str__(self) -> str:
        return f"Mnemostream already runs on {self.args[0]}: `mnemo status` shows it, `mnemo down` stops it"


def owned(data: Path) -> None:
    """Raises RuntimeError for a folder that another user has worked in: nothing of it is changed."""
    for file in (data / "secrets.json", data / "lock"):
        with suppress(FileNotFoundError):
            uid = file.lstat().st_uid
            if uid != os.geteuid():
                raise RuntimeError(f"{data} belongs to {_name(uid)}; run it as {_name(uid)}, or specify another --data")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with ID {uid}"


def prepare(data: Path, *, passed_through: bool) -> None:
    """Makes the folder and what is in it private. Nothing outside of it is changed.

    `passed_through` = another user has files of its own in it (PostgreSQL's, as root), and must get there.
    """
    for folder in (data, data / "logs", data / RUN, data / IMPORTS):
        folder.mkdir(parents=True, exist_ok=True)
    data.chmod(0o711 if passed_through else 0o700)
    for entry in data.iterdir():
        if not entry.is_symlink() and entry.stat().st_uid == os.geteuid() and entry.stat().st_mode & PRIVATE:
            entry.chmod(stat.S_IMODE(entry.stat().st_mode) & ~PRIVATE)


def open_to_others(data: Path) -> list[Path]:
    """What other users may read, write or list; as root they may pass through the folder itself."""
    if not data.exists():
        return []
    found = [data] if data.stat().st_mode & (0o066 if os.geteuid() == 0 else PRIVATE) else []
    inside = [entry for folder in (data, data / "logs", data / RUN) if folder.is_dir() for entry in folder.iterdir()]
    return found + [entry for entry in inside if not entry.is_symlink() and entry.lstat().st_mode & PRIVATE]


def known_host(data: Path) -> str:
    """The name that is kept in the folder; "" if none is."""
    try:
        return (data / HOST).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def host_name(data: Path) -> str:
    """The name of this installation in transcript ids: it stays when the machine gets another name, or the folder
    another machine. A folder of a version that kept none goes on under the machine's name, as it has worked so far."""
    file = data / HOST
    if known := known_host(data):
        return known
    worked = (data / "nats").exists()
    made = socket.gethostname() if worked else f"{socket.gethostname()}-{secrets.token_hex(2)}"
    write_private(file, made.encode())
    return made


def reachable(path: Path) -> bool:
    """True if every user may pass through all folders above."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def socket_folder(wanted: Path, owner: int = -1) -> Path:
    """`wanted`, private, made; a new folder among the temporary ones where its path is too long for a socket, or cannot
    stand in an address."""
    if len(os.fsencode(wanted)) > MOST_SOCKET_BYTES or not str(wanted).isprintable():
        wanted = Path(tempfile.mkdtemp(prefix="mnemo-"))
    wanted.mkdir(exist_ok=True)
    wanted.chmod(0o700)
    if owner >= 0:
        os.chown(wanted, owner, -1)
    return wanted


def left(place: Path) -> None:
    """Removes a socket folder that was made among the temporary ones."""
    if place.parent == Path(tempfile.gettempdir()):
        shutil.rmtree(place, ignore_errors=True)


def lock(data: Path) -> IO[str]:
    """Held as long as the system runs. Raises Busy."""
    handle = open(data / "lock", "a+")  # noqa: SIM115 - held by the caller
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # those who only look hold a shared one, for a moment
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        handle.close()
        raise Busy(data) from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def holder(data: Path) -> int:
    """The process that runs on this data folder; 0 if none does."""
    if not in_use(data):
        return 0
    with suppress(OSError, ValueError):
        return int((data / "lock").read_text())
    return 0


def in_use(data: Path) -> bool:
    """True while a `mnemo up` runs on this data folder."""
    try:
        with open(data / "lock") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # nobody ever ran there, or it is not ours to look at
    return False
