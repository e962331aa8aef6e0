"""The end of a data folder: what Mnemostream made in it is deleted, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mnemostream.local import contexts, folder
from mnemostream.local.postgres.server import ELSEWHERE
from mnemostream.local.secrets import DAMAGED
from mnemostream.local.service.manager import ENVIRONMENT
from mnemostream.local.service.watched import FILE

OURS = frozenset(
    {
        *("nats", "postgres", "socket", "logs", "canary", "nats.conf", "secrets.json", "endpoints.json", "lock"),
        *(folder.RUN, folder.RESTORING, folder.HOST, contexts.READER, contexts.SYSTEM, ENVIRONMENT, DAMAGED, FILE),
    }
)
"""Names in a data folder; those of a file that is being written end in `.new`."""


def size(data: Path) -> int:
    """Bytes of what would be deleted."""
    places = [place for name in OURS for place in (data / name, *(data / name).resolve().rglob("*"))]
    return sum(place.stat().st_size for place in places if place.is_file() and not place.is_symlink())


def delete(data: Path) -> list[str]:
    """Deletes what is ours, and the folder if nothing else is in it; the names of the rest. Raises RuntimeError for a
    folder that was never a data folder, OSError."""
    if not data.exists():
        return []
    if not (data / "lock").exists():
        raise RuntimeError(f"{data} is no data folder of Mnemostream")
    folder.owned(data)
    database = data / "postgres"
    if database.is_symlink() and (target := database.resolve()).is_relative_to(ELSEWHERE):
        shutil.rmtree(ELSEWHERE / target.relative_to(ELSEWHERE).parts[0])
    for place in list(data.iterdir()):
        if place.name not in OURS and place.name.removesuffix(".new") not in {Path(name).stem for name in OURS}:
            continue
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    left = sorted(os.listdir(data))
    if not left:
        data.rmdir()
    return left
