"""Where assistants keep their transcripts: data, shared by the watcher and the person's commands.

A new assistant is one line here, one parser in services/watcher/formats and one folder of fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

AUTO = "auto"
"""A root whose files say themselves which assistant wrote them."""
CANARY = "canary"
"""The source of synthetic lines of the end-to-end check: no assistant, and in no statistics, search or listing."""


class Home(msgspec.Struct, frozen=True):
    """One default folder: below `$<variable>` if that is set, else below the home folder."""

    variable: str
    below_variable: str
    below_home: str


class Source(msgspec.Struct, frozen=True):
    """One assistant family; its name is the token in subjects and the module of its parser."""

    name: str
    title: str
    homes: tuple[Home, ...]
    files: str = r".*\.jsonl"
    """Regular expression of a transcript's path below a home, with '/'."""


SOURCES = (
    Source(
        "claude-code",
        "Claude Code",
        (Home("CLAUDE_CONFIG_DIR", "projects", ".claude/projects"),),
    ),
    Source(
        "codex",
        "Codex CLI",
        (
            Home("CODEX_HOME", "sessions", ".codex/sessions"),
            Home("CODEX_HOME", "archived_sessions", ".codex/archived_sessions"),
        ),
        r"(.*/)?rollout-[^/]*\.jsonl",
    ),
    Source(
        "gemini",
        "Gemini CLI",
        (Home("", "", ".gemini/tmp"),),
        r"[^/]+/chats/.*\.jsonl?",
    ),
    Source(
        "copilot",
        "Copilot CLI",
        (Home("", "", ".copilot/session-state"),),
        r"[^/]+/events\.jsonl|[^/]+\.jsonl",
    ),
    Source("opencode", "OpenCode (exports)", (), r".*\.jsonl?"),
    Source("pi", "pi", (Home("PI_CODING_AGENT_DIR", "sessions", ".pi/agent/sessions"),)),
    Source(
        "qwen",
        "Qwen Code",
        (Home("", "", ".qwen/projects"), Home("", "", ".qwen/tmp")),
        r"(.*/)?chats/[^/]+\.jsonl",
    ),
)
BY_NAME = {source.name: source for source in SOURCES}


def of_document(head: bytes) -> str:
    """The source of a JSON document of which only the beginning is known; "" = of no known assistant."""
    if b'"projectHash"' in head and b'"sessionId"' in head:
        return "gemini"
    return "opencode" if b'"info"' in head and b'"ses_' in head else ""


class Root(msgspec.Struct, frozen=True, order=True):
    """A folder to watch and the source of its files, or `AUTO`."""

    folder: str
    source: str = AUTO
    files: str = ""
    """Regular expression of a transcript's path below the folder; "" = all JSON and JSONL files."""

    def owns(self, path: str) -> bool:
        """True if the path, below the root with '/', can be a transcript."""
        return path.endswith((".jsonl", ".json")) and (not self.files or re.fullmatch(self.files, path) is not None)

    def __str__(self) -> str:
        return self.folder if self.source == AUTO else f"{self.source}={self.folder}"


def parse(text: str) -> Root:
    """A root as it is written in settings: `folder` or `source=folder`.

    >>> parse("codex=/srv/codex")
    Root(folder='/srv/codex', source='codex', files='')
    """
    name, mark, folder = text.partition("=")
    if mark and name in BY_NAME:
        return Root(str(Path(folder).expanduser()), name)
    return Root(str(Path(text).expanduser()))


def defaults(environ: Mapping[str, str], home: Path) -> list[Root]:
    """The default folders of all known assistants, whether they exist or not."""
    roots = []
    for source in SOURCES:
        for place in source.homes:
            base = environ.get(place.variable) if place.variable else ""
            folder = Path(base) / place.below_variable if base else home / place.below_home
            roots.append(Root(str(folder), source.name, source.files))
    return roots


def distinct(roots: Iterable[Root]) -> list[Root]:
    """Of roots with resolved folders: one that lies inside another is dropped, so that each file has one
    owner; of two equal folders the one with a named source stays."""
    best: dict[str, Root] = {}
    for root in roots:
        if root.folder not in best or best[root.folder].source == AUTO:
            best[root.folder] = root
    return [
        root
        for folder, root in sorted(best.items())
        if not any(folder != other and Path(folder).is_relative_to(other) for other in best)
    ]
