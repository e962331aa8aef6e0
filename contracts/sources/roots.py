"""The folders and databases that are watched."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from mnemostream.contracts.sources.attachments import PACKED, attached
from mnemostream.contracts.sources.places import expanded
from mnemostream.contracts.sources.registry import AUTO, BY_NAME, SOURCES

ENDINGS = (".jsonl", ".json", ".ndjson", ".md")
"""How transcripts end in a folder of no known assistant."""


DEFAULTS = "defaults"
"""Instead of a folder: the default folders and databases of all known assistants."""


class Root(msgspec.Struct, frozen=True, order=True):
    """A folder to watch and the source of its files, or `AUTO`; or a database and its source."""

    folder: str
    source: str = AUTO
    files: str = ""
    """Regular expression of a transcript's path below the folder; "" = all files that look like transcripts."""
    rows: str = ""
    """Of a database: the folder of its row logs; `folder` is the file that its owner writes."""

    flat: bool = False
    """True for files that lie directly in the folder: nothing below it is looked at."""
    ours: bool = False
    """The folder of imports: its files are named by us, below a folder of each assistant's name, and go when they are
    forgotten."""

    @property
    def place(self) -> str:
        """The folder where the files lie."""
        return self.rows or self.folder

    def leaves(self, path: str) -> str:
        """Why a file is not captured, by its path below the root, with '/'; "" = it is, if its content agrees."""
        if self.rows:
            return "" if path.endswith(".jsonl") else "not a row log"
        if self.seals(path) or (attached(path) and self._keeps_beside):
            return ""
        plain = path.removesuffix(PACKED)
        if self.files:
            if re.fullmatch(self.files, plain):
                return ""
            return "unknown name" if plain.endswith(ENDINGS) else "unknown ending"
        return "" if plain.endswith(ENDINGS) else "unknown ending"

    @property
    def _keeps_beside(self) -> bool:
        """False below the folders of editors: what lies beside a chat there are copies of a person's files."""
        source = BY_NAME.get(self.source)
        return source is None or source.dialect not in ("vscode", "cline")

    def seals(self, path: str) -> bool:
        """True for a file that nobody can read: it is archived as bytes."""
        source = BY_NAME.get(self.source)
        return bool(source and source.sealed and re.fullmatch(source.sealed, path))

    def __str__(self) -> str:
        return self.folder if self.source == AUTO else f"{self.source}={self.folder}"


def parse(text: str) -> Root:
    """A root as it is written in settings: `folder` or `source=folder`.

    >>> parse("codex=/srv/codex")
    Root(folder='/srv/codex', source='codex', files='', rows='', flat=False, ours=False)
    """
    if text == DEFAULTS:
        return Root(DEFAULTS)
    name, mark, folder = text.partition("=")
    if mark and name in BY_NAME:
        return Root(str(Path(folder).expanduser()), name)
    return Root(str(Path(text).expanduser()))


def defaults(environ: Mapping[str, str], home: Path, system: str = sys.platform) -> list[Root]:
    """The default folders of all known assistants, whether they exist or not."""
    roots = [
        Root(folder, source.name, source.files)
        for source in SOURCES
        for place in source.homes
        for folder in expanded(place, environ, home, system)
    ]
    return list(dict.fromkeys(roots))


def completed(roots: Iterable[Root], environ: Mapping[str, str], home: Path) -> list[Root]:
    """Roots as they are written, `DEFAULTS` as what it means, and for default folders which files are transcripts."""
    usual = defaults(environ, home)
    known = {(root.folder, root.source): root for root in usual}
    found: list[Root] = []
    for root in roots:
        found += usual if root.folder == DEFAULTS else [known.get((root.folder, root.source), root)]
    return list(dict.fromkeys(found))


def distinct(roots: Iterable[Root]) -> list[Root]:
    """Of roots with resolved folders: one that lies inside another is dropped, so that each file has one
    owner; of two equal folders the one with a named source stays."""
    best: dict[str, Root] = {}
    flat: list[Root] = []
    for root in roots:
        if root.flat:
            flat.append(root)
        elif root.folder not in best or best[root.folder].source == AUTO:
            best[root.folder] = root
    return [
        *(
            root
            for folder, root in sorted(best.items())
            if not any(folder != other and Path(folder).is_relative_to(other) for other in best)
        ),
        *(root for root in dict.fromkeys(flat) if not any(Path(root.folder).is_relative_to(other) for other in best)),
    ]
