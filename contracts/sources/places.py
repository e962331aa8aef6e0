"""Where a home of the registry is on this machine. Pure.

A home is written with `/` and alternatives, `$CODEX_HOME/sessions | ~/.codex/sessions`: the first one whose variable is
set counts, the last one has none. A variable may name several folders, separated by commas, semicolons or colons.

| in a home | Linux | macOS | Windows |
|---|---|---|---|
| `~` | the home folder | the same | the same |
| `{config}` | `$XDG_CONFIG_HOME`, `~/.config` | the same | `%APPDATA%` |
| `{data}` | `$XDG_DATA_HOME`, `~/.local/share` | the same | the same |
| `{app}` | `$XDG_CONFIG_HOME`, `~/.config` | `~/Library/Application Support` | `%APPDATA%` |
| `{local}` | `$XDG_DATA_HOME`, `~/.local/share` | `~/Library/Application Support` | `%LOCALAPPDATA%` |
| `{state}` | `$XDG_STATE_HOME`, `~/.local/state` | `~/Library/Application Support` | `%LOCALAPPDATA%` |
| `{editors}` | the user folder of each editor that VS Code's extensions run in, its servers included | | |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Positron", "Trae", "Kiro")
SERVERS = (".vscode-server", ".vscode-server-insiders", ".vscode-remote", ".cursor-server", ".windsurf-server")

Base = tuple[str, str]
"""A variable, and the folder below the home folder if it is not set."""

UNIX: dict[str, Base] = {
    "config": ("XDG_CONFIG_HOME", ".config"),
    "data": ("XDG_DATA_HOME", ".local/share"),
    "app": ("XDG_CONFIG_HOME", ".config"),
    "local": ("XDG_DATA_HOME", ".local/share"),
    "state": ("XDG_STATE_HOME", ".local/state"),
}
_SUPPORT = ("", "Library/Application Support")
BASES: dict[str, dict[str, Base]] = {
    "linux": UNIX,
    "darwin": {**UNIX, "app": _SUPPORT, "local": _SUPPORT, "state": _SUPPORT},
    "win32": {
        **UNIX,
        "config": ("APPDATA", "AppData/Roaming"),
        "app": ("APPDATA", "AppData/Roaming"),
        "local": ("LOCALAPPDATA", "AppData/Local"),
        "state": ("LOCALAPPDATA", "AppData/Local"),
    },
}
_HEAD = re.compile(r"\$(\w+)|\{(\w+)\}|~")


def expanded(place: str, environ: Mapping[str, str], home: Path, system: str) -> Iterator[str]:
    """The folders that a home means; `system` as in `sys.platform`.

    >>> list(expanded("$PI_DIR/sessions | ~/.pi/sessions", {}, Path("/home/dana"), "linux"))
    ['/home/dana/.pi/sessions']
    """
    ways = [way.strip() for way in place.split(" | ")]
    for way in ways:
        match = _HEAD.match(way)
        if match is None:
            yield way
            return
        below = way[match.end() :].lstrip("/")
        variable, name = match[1], match[2]
        if variable and not environ.get(variable):
            continue
        for base in _bases(variable, name, environ, home, system):
            yield str(Path(base) / below) if below else base
        return


def _bases(variable: str | None, name: str | None, environ: Mapping[str, str], home: Path, system: str) -> list[str]:
    if variable:
        return named(environ[variable])
    if name == "editors":
        app = _base("app", environ, home, system)
        places = [Path(app) / editor / "User" for editor in EDITORS] + [home / s / "data/User" for s in SERVERS]
        return [str(place) for place in places]
    return [_base(name, environ, home, system)] if name else [str(home)]


def _base(name: str, environ: Mapping[str, str], home: Path, system: str) -> str:
    variable, below = BASES.get(system, UNIX)[name]
    return environ.get(variable) or str(home / below)


def named(value: str) -> list[str]:
    """The folders that a variable names."""
    bases = [value] if Path(value).is_dir() else re.split(r"[,;]|:(?=[/~])", value)
    return [str(Path(base.strip()).expanduser()) for base in bases if base.strip()]
