"""Where assistants keep their transcripts: data, shared by the watcher and the person's commands.

A new assistant is one line here, one parser in services/watcher/formats and one folder of fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import msgspec

AUTO = "auto"
"""A root whose files say themselves which assistant wrote them."""
ATTACHMENT = "attachment"
"""The source of files that lie beside a session: outputs too large for the transcript, and what the assistant keeps
there. They are archived as they are, and never read."""
CANARY = "canary"
"""The source of synthetic lines of the end-to-end check: no assistant, and in no statistics, search or listing."""


class Home(msgspec.Struct, frozen=True):
    """One default folder: below each folder that `$<variable>` names, separated by commas, semicolons or
    colons, if it is set, else below the home folder."""

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
    parser: int = 3
    """Version of its parser: raised when the same bytes give other records. `mnemo replay --reparse` then applies it to
    the archive, and health names an archive that an older one has read."""


SOURCES = (
    Source(
        "claude-code",
        "Claude Code",
        (
            Home("CLAUDE_CONFIG_DIR", "projects", ".claude/projects"),
            Home("CLAUDE_CONFIG_DIR", "projects", ".config/claude/projects"),
        ),
        parser=4,
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
PARSERS = {source.name: source.parser for source in SOURCES}


def of_document(head: bytes) -> str:
    """The source of a JSON document of which only the beginning is known; "" = of no known assistant."""
    if b'"projectHash"' in head and b'"sessionId"' in head:
        return "gemini"
    return "opencode" if b'"info"' in head and b'"ses_' in head else ""


ENDINGS = (".jsonl", ".json")
PACKED = ".zst"
"""Codex compresses a transcript that has rested for seven days, and deletes the plain file."""

_SESSION = r"(?:session-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OUTPUTS = re.compile(r"(?:.*/)?tool[-_](?:results|outputs?)/.*")
_BESIDE = re.compile(rf"(?:.*/)?{_SESSION}/.*")


def is_output(path: str) -> bool:
    """True for a file in a folder for outputs of tools: it is never a transcript."""
    return _OUTPUTS.fullmatch(path) is not None


def attached(path: str) -> bool:
    """True for a file beside a session: an output of a tool, or below a folder that is named after a session. Lines
    there are transcripts (of sub-agents, and event logs), no attachments.

    >>> attached("-home-x/0f9d2b1c-1111-4222-8333-444455556666/tool-results/t.txt"), attached("-home-x/notes.txt")
    (True, False)
    """
    return is_output(path) or (_BESIDE.fullmatch(path) is not None and not path.removesuffix(PACKED).endswith(".jsonl"))


def session_of(path: str) -> str:
    """The session that an attachment lies beside: the last folder that is named after one, else the one above the
    folder for outputs."""
    folders = path.split("/")[:-1]
    named = [folder for folder in folders if re.fullmatch(_SESSION, folder)]
    if named:
        return named[-1].removeprefix("session-")
    return next((above for above, folder in pairwise(folders) if folder.startswith("tool")), "")


class Root(msgspec.Struct, frozen=True, order=True):
    """A folder to watch and the source of its files, or `AUTO`."""

    folder: str
    source: str = AUTO
    files: str = ""
    """Regular expression of a transcript's path below the folder; "" = all JSON and JSONL files."""

    def leaves(self, path: str) -> str:
        """Why a file is not captured, by its path below the root, with '/'; "" = it is, if its content agrees."""
        if attached(path):
            return ""
        plain = path.removesuffix(PACKED)
        if not plain.endswith(ENDINGS):
            return "unknown ending"
        return "" if not self.files or re.fullmatch(self.files, plain) else "unknown name"

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
            named = environ.get(place.variable, "") if place.variable else ""
            bases = [named] if named and Path(named).is_dir() else re.split(r"[,;]|:(?=[/~])", named)
            bases = [base.strip() for base in bases if base.strip()]
            folders = [Path(base).expanduser() / place.below_variable for base in bases] or [home / place.below_home]
            roots += [Root(str(folder), source.name, source.files) for folder in folders]
    return list(dict.fromkeys(roots))


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
