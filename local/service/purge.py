"""The end of a data folder: what Mnemostream made in it is deleted, and nothing else."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mnemostream.local import contexts, folder
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import DAMAGED, Secrets
from mnemostream.local.service.manager import ENVIRONMENT
from mnemostream.local.service.watched import FILE

OURS = frozenset(
    {
        *(
            "nats",
            "postgres",
            "socket",
            "logs",
            "canary",
            "rows",
            "nats.conf",
            "secrets.json",
            "endpoints.json",
            "lock",
            "edges.json",
            "edge-certificate.pem",
            "edge-key.pem",
            "joined.json",
        ),
        *(folder.RUN, folder.RESTORING, folder.HOST, contexts.READER, contexts.SYSTEM, ENVIRONMENT, DAMAGED, FILE),
    }
)
"""Names in a data folder; those of a file that is being written end in `.new`."""


def size(data: Path) -> int:
    """Bytes of what would be deleted."""
    return sum(_size(data / name) for name in OURS)


def _size(place: Path) -> int:
    """Of a file, or of all below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    with suppress(OSError):
        if not place.is_dir():
            return place.lstat().st_size
    for folder_, _, names in os.walk(place.resolve()):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder_, name)).st_size
    return total


def refusal(data: Path) -> str:
    """Why nothing may be deleted there; "" if it is a data folder of this user."""
    if not (data / "lock").exists():
        return f"{data} is no data folder of Mnemostream"
    try:
        folder.owned(data)
    except RuntimeError as error:
        return str(error)
    return ""


def delete(data: Path) -> list[str]:
    """Deletes what is ours, and the folder if nothing else is in it; the names of the rest. Nothing may run on it.
    Raises RuntimeError where it may not, Busy, OSError."""
    if why := refusal(data):
        raise RuntimeError(why)
    with folder.lock(data):
        home = Postgres(data, 0, Secrets({}, "", "", "")).home  # by the name of this folder, wherever a link leads to
        if home != data and home.is_dir():
            shutil.rmtree(home)
        for place in sorted(data.iterdir()):
            if place.name != "lock" and _is_ours(place.name):
                shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink(missing_ok=True)
        (data / "lock").unlink(missing_ok=True)  # the last: until then, it can be repeated
    left = sorted(os.listdir(data))
    if not left:
        with suppress(OSError):  # a link, or a place where something is mounted
            data.rmdir()
    return left


def _is_ours(name: str) -> bool:
    return name in OURS or (name.endswith(".new") and name.removesuffix(".new") in {Path(each).stem for each in OURS})
