"""What is imported, and the files that the watcher captures of it: below `<data>/imports/<assistant>/`."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mnemostream.cli.imports.split import NoList, conversations, named
from mnemostream.contracts import sources
from mnemostream.services.watcher.formats import FORMATS, Identity, identify
from mnemostream.services.watcher.formats.claude import ClaudeCode
from mnemostream.services.watcher.formats.dialects import DIALECTS

IN_LISTS = tuple(DIALECTS[name] for name in ("chatgpt", "claudeai"))
"""Dialects whose exports hold all conversations in one list: each becomes a file of its own, so that a later export
brings what is new in it."""
ALWAYS_THE_SAME = frozenset({"gemini-takeout"})
"""Assistants whose exports are named alike and hold everything: a later one is the next save of the one before."""
MOST_BYTES = 2 << 30


class Import(msgspec.Struct, frozen=True):
    """One file below the folder of imports."""

    origin: str
    """File that it comes from; of an archive, `archive.zip/member`."""
    source: str
    file: str
    """Where the watcher captures it."""
    bytes: int
    new: bool
    """False if it was there already, as it is."""


class Refused(msgspec.Struct, frozen=True):
    """What is not imported, and why."""

    origin: str
    reason: str


def place(paths: list[Path], folder: Path, only: str = "") -> Iterator[Import | Refused]:
    """Writes what is to be captured. `only` is the assistant, if a person has named it. Raises OSError."""
    for origin, data in _contents(paths):
        if isinstance(data, str):
            yield Refused(origin, data)
            continue
        identity = identity_of(origin, data, only)
        if identity is None:
            yield Refused(origin, "no transcript or export of a known assistant")
            continue
        try:
            documents = list(_documents(origin, data, identity))
        except (NoList, UnicodeDecodeError) as error:
            yield Refused(origin, str(error))
            continue
        for name, content in documents:
            file = folder / identity.format.name / name
            yield Import(origin, identity.format.name, str(file), len(content), _written(file, content))


def _contents(paths: list[Path]) -> Iterator[tuple[str, bytes | str]]:
    """Files, those below folders and in archives, with their bytes or why they are not read."""
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        for file in inside:
            if zipfile.is_zipfile(file):
                yield from _members(file)
            elif path.is_dir() and not file.name.endswith(sources.ENDINGS):
                continue
            elif file.stat().st_size > MOST_BYTES:
                yield str(file), "larger than 2 GB; name its folder with `mnemo up --source`"
            else:
                yield str(file), file.read_bytes()


def _members(file: Path) -> Iterator[tuple[str, bytes | str]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir() or not member.filename.endswith(sources.ENDINGS):
                continue
            origin = f"{file}/{member.filename}"
            try:
                yield origin, "larger than 2 GB" if member.file_size > MOST_BYTES else archive.read(member)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                yield origin, f"cannot be unpacked: {error}"


def identity_of(origin: str, data: bytes, only: str) -> Identity | None:
    """Which assistant's a file is; nobody's, unless its content says so or a person does."""
    identity = identify(origin, data, only or sources.AUTO, complete=True)
    if only or identity is None or identity.first:
        return identity
    guess = sources.of_document(data[: 64 << 10])
    if not guess and type(identity.format) is ClaudeCode:
        return None  # lines that nobody claims are Claude Code's in its own folder alone
    return msgspec.structs.replace(identity, format=FORMATS[guess]) if guess else identity


def _documents(origin: str, data: bytes, identity: Identity) -> Iterator[tuple[str, bytes]]:
    """What becomes a file each, with its name below the assistant's folder."""
    if isinstance(identity.format, IN_LISTS) and data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[":
        for name, text in conversations(data.decode("utf-8-sig")):
            content = text.encode()
            yield f"{_safe(name or _sum(content))}.json", content
        return
    yield _name(Path(origin), data, identity), data


def _name(path: Path, data: bytes, identity: Identity) -> str:
    """By the session's ID, so that the same session is the same file the next time."""
    within = f"{path.parent.name}/{path.name}"
    session = identity.format.context(within, identity.first).session_id
    if session == path.parent.name != path.stem:
        return f"{_safe(session)}/{_safe(path.stem)}{path.suffix}"
    if session == path.stem and identity.format.name not in ALWAYS_THE_SAME:
        session = named(identity.first) or (path.stem if _is_unique(path.stem) else f"{path.stem}-{_sum(data)}")
    return f"{_safe(session)}{path.suffix or '.jsonl'}"


def _is_unique(stem: str) -> bool:
    """True for a name with an ID in it."""
    return re.search(r"[0-9a-fA-F-]{12,}", stem) is not None


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:150] or "unnamed"


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _written(file: Path, content: bytes) -> bool:
    """False if the file has this content already. It appears as a whole, or not at all."""
    try:
        if file.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return True
