"""Files of the dashboard: page, modules, styles, icon."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def assets() -> dict[str, bytes]:
    """All files of the dashboard by their path below `static/`, read once."""
    found: dict[str, bytes] = {}
    folders = [("", files("mnemostream.services.health") / "static")]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
            else:
                found[prefix + entry.name] = entry.read_bytes()
    return found
