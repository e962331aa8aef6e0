"""Settings of assistants that name MCP servers: read, changed in one place, written back whole."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mnemostream.runtime.process.home import home

NAME = "mnemostream"


class Unreadable(Exception):
    """The text says what to do by hand."""


class Command(msgspec.Struct, frozen=True):
    """How the server is started."""

    command: str
    args: list[str]


def program() -> str:
    """The full path of `mnemo`: assistants are started with other search paths than a shell."""
    beside = Path(sys.executable).with_name("mnemo")
    return str(beside) if beside.exists() else shutil.which("mnemo") or "mnemo"


def claude_with(text: str, wanted: Command | None) -> str:
    """As `claude mcp add` writes it. Raises Unreadable."""
    return _json_with(text, wanted, {"type": "stdio"})


def gemini_with(text: str, wanted: Command | None) -> str:
    """As `gemini mcp add` writes it. Raises Unreadable."""
    return _json_with(text, wanted, {})


def _json_with(text: str, wanted: Command | None, kind: dict[str, str]) -> str:
    """A JSON file with the server in `mcpServers`, or without it. All else stays, in its order."""
    try:
        settings: Any = msgspec.json.decode(text) if text.strip() else {}
        servers = settings.get("mcpServers", {})
        known = servers.get(NAME)
    except (msgspec.DecodeError, AttributeError) as error:
        raise Unreadable(f"the file is not plain JSON ({error}); {by_hand(wanted)}") from error
    if wanted is None and known is None:
        return text
    if wanted is None:
        del servers[NAME]
        if not servers:
            del settings["mcpServers"]
    else:
        entry = {**kind, **msgspec.to_builtins(wanted)}
        if known == entry:
            return text
        settings["mcpServers"] = {**servers, NAME: entry}
    return msgspec.json.format(msgspec.json.encode(settings), indent=_indent(text)).decode() + "\n"


def _indent(text: str) -> int:
    found = re.search(r"\{\s*\n( +)\S", text)
    return len(found[1]) if found else 2


TABLE = re.compile(
    rf"^\[mcp_servers\.(?:{NAME}|\"{NAME}\")(?:\.[^\]]+)?\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", re.MULTILINE
)
"""The table of the server, and tables in it, up to the next table."""


def toml_with(text: str, wanted: Command | None) -> str:
    """A TOML file with the table of the server, or without it. All else stays, with its comments.

    Raises Unreadable.
    """
    try:
        before = tomllib.loads(text)
        known = before.get("mcp_servers", {}).get(NAME)
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise Unreadable(f"the file is not valid TOML ({error}); {by_hand(wanted)}") from error
    entry = msgspec.to_builtins(wanted) if wanted else None
    if known == entry:
        return text
    rest = TABLE.sub("", text).rstrip("\n")
    rest = rest + "\n" if rest else ""
    after = rest if wanted is None else f"{rest}{chr(10) if rest else ''}{_table(wanted)}"
    if not _holds(after, {**_servers(before, without=NAME), **({NAME: entry} if entry else {})}):
        raise Unreadable(f"the server stands in it in a form that is not changed here; {by_hand(wanted)}")
    return after


def _holds(text: str, servers: dict[str, Any]) -> bool:
    try:
        return _servers(tomllib.loads(text)) == servers
    except tomllib.TOMLDecodeError:
        return False


def _servers(settings: dict[str, Any], without: str = "") -> dict[str, Any]:
    return {name: value for name, value in settings.get("mcp_servers", {}).items() if name != without}


def _table(wanted: Command) -> str:
    values = {name: msgspec.json.encode(value).decode() for name, value in msgspec.to_builtins(wanted).items()}
    return f"[mcp_servers.{NAME}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def by_hand(wanted: Command | None) -> str:
    """What a person can do instead."""
    if wanted is None:
        return f"remove the server {NAME} from it by hand"
    return f"add a server {NAME} that runs {' '.join([wanted.command, *wanted.args])!r} to it by hand"


class Client(msgspec.Struct, frozen=True):
    """An assistant: the folder of its settings, and the file in it."""

    name: str
    title: str
    variable: str
    folder: str
    path: str
    change: Callable[[str, Command | None], str]

    def home(self) -> Path:
        """The folder of its settings."""
        return Path(os.environ.get(self.variable) or home() / self.folder)

    def file(self) -> Path:
        """The file that names its servers. Claude Code keeps it beside its folder, or within one that was chosen."""
        beside = self.path.startswith("../") and not os.environ.get(self.variable)
        return self.home().parent / self.path[3:] if beside else self.home() / self.path.removeprefix("../")

    def present(self) -> bool:
        """True if it was used here."""
        return self.home().is_dir() or self.file().exists()


CLIENTS = {
    client.name: client
    for client in (
        Client("claude-code", "Claude Code", "CLAUDE_CONFIG_DIR", ".claude", "../.claude.json", claude_with),
        Client("codex", "Codex", "CODEX_HOME", ".codex", "config.toml", toml_with),
        Client("gemini", "Gemini CLI", "", ".gemini", "settings.json", gemini_with),
    )
}


def plan(client: Client, wanted: Command | None) -> tuple[str, str]:
    """The text of the settings as they are, and as they would be. Raises Unreadable, OSError."""
    try:
        before = _text(client.file())
    except FileNotFoundError:
        before = ""
    except UnicodeDecodeError as error:
        raise Unreadable(f"the file is not UTF-8; {by_hand(wanted)}") from error
    return before, client.change(before, wanted)


def _text(file: Path) -> str:
    """With its line endings."""
    with open(file, encoding="utf-8", newline="") as opened:
        return opened.read()


def difference(before: str, after: str, file: str) -> Iterator[str]:
    """A unified diff, three lines around each change."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), file, file, lineterm="")
    return iter(list(lines))


def write(client: Client, before: str, after: str) -> None:
    """Replaces the file at once, behind links, with its mode. Raises Unreadable if it changed meanwhile, OSError."""
    target = Path(os.path.realpath(client.file()))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    part = Path(name)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        now = _text(target) if target.exists() else ""
        if now != before:
            raise Unreadable("the file was changed meanwhile; try again")
        if target.exists():
            os.chmod(part, target.stat().st_mode & 0o7777)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
