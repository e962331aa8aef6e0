"""What is imported, and the files that the watcher captures of it: below `<data>/imports/<assistant>/`."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
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
MOST_BYTES = 1 << 30


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


class _Read(msgspec.Struct, frozen=True):
    """One file that was read, or why it was not. `below` is its path below the folder, or in the archive, of origin."""

    origin: str
    data: bytes = b""
    below: str = ""
    refused: str = ""


def place(paths: list[Path], folder: Path, only: str = "") -> Iterator[Import | Refused]:
    """Writes what is to be captured. `only` is the assistant, if a person has named it. Raises OSError."""
    taken: dict[Path, bytes] = {}
    for read in _contents(paths):
        if read.refused:
            yield Refused(read.origin, read.refused)
            continue
        try:
            identity = identity_of(read.origin, read.data, only)
            documents = list(_documents(read, identity)) if identity else []
        except (NoList, UnicodeDecodeError, RecursionError) as error:
            yield Refused(read.origin, str(error))
            continue
        if identity is None:
            yield Refused(read.origin, "no transcript or export of a known assistant")
            continue
        for name, content in documents:
            file = folder / identity.format.name / name
            digest = hashlib.sha256(content).digest()
            number = 0
            while taken.setdefault(file, digest) != digest:  # two of one name in one run are two
                number += 1
                file = file.with_name(f"{Path(name).stem}-{_sum(read.origin.encode())}-{number}{file.suffix}")
            yield Import(read.origin, identity.format.name, str(file), len(content), _written(file, content))


def _contents(paths: list[Path]) -> Iterator[_Read]:
    """Files, those below folders and in archives."""
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        for file in inside:
            below = f"{path.resolve().name}-{_sum(os.fsencode(path.resolve()))[:6]}/{file.relative_to(path).as_posix()}"
            readable = file.name.endswith(sources.ENDINGS)
            if not readable and zipfile.is_zipfile(file):
                yield from _members(file)
            elif not readable and not path.is_dir():
                yield _Read(str(file), refused=f"its name must end in one of {', '.join(sources.ENDINGS)}, or .zip")
            elif readable and file.stat().st_size > MOST_BYTES:
                yield _Read(str(file), refused="larger than 1 GB; name its folder with `mnemo up --source`")
            elif readable:
                yield _Read(str(file), file.read_bytes(), below if path.is_dir() else "")


DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def _members(file: Path) -> Iterator[_Read]:
    """The members of an archive; what cannot be unpacked is named."""
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                origin = f"{file}/{member.filename}"
                if member.filename.endswith(".zip"):
                    yield _Read(origin, refused="an archive in an archive; unpack it")
                elif not member.is_dir() and member.filename.endswith(sources.ENDINGS):
                    yield _member(archive, member, origin)
    except DAMAGED as error:
        yield _Read(str(file), refused=f"the archive is damaged: {error}")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, origin: str) -> _Read:
    if member.file_size > MOST_BYTES:
        return _Read(origin, refused="larger than 1 GB")
    below = f"{Path(archive.filename or '').stem}/{member.filename}"
    try:
        return _Read(origin, archive.read(member), below)
    except DAMAGED as error:
        return _Read(origin, refused=f"cannot be unpacked: {error}")


def identity_of(origin: str, data: bytes, only: str) -> Identity | None:
    """Which assistant's a file is; nobody's, unless its content says so or a person does."""
    identity = identify(origin, data, only or sources.AUTO, complete=True)
    if only or identity is None:
        return identity
    if named(identity.first).startswith("T-") and "messages" in identity.first:
        return msgspec.structs.replace(identity, format=FORMATS["amp"])
    if identity.first:
        return identity
    guess = sources.of_document(data[: 64 << 10])
    if not guess and type(identity.format) is ClaudeCode:
        return None  # lines that nobody claims are Claude Code's in its own folder alone
    return msgspec.structs.replace(identity, format=FORMATS[guess]) if guess else identity


def _documents(read: _Read, identity: Identity) -> Iterator[tuple[str, bytes]]:
    """What becomes a file each, with its name below the assistant's folder."""
    if isinstance(identity.format, IN_LISTS) and read.data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[":
        for name, text in conversations(read.data.decode("utf-8-sig")):
            content = text.encode()
            yield f"{_safe(name or _sum(content))}.json", content
        return
    yield _name(read, identity), read.data


def _name(read: _Read, identity: Identity) -> str:
    """The same session is the same file the next time, and two are never one: by the ID in its name or in it, else by
    where it comes from."""
    path = Path(read.origin)
    if identity.format.name in ALWAYS_THE_SAME:
        return f"{_safe(path.stem)}{path.suffix}"
    if read.below and path.suffix == ".jsonl":  # what lies around it belongs to it: sub-agents, a session's folder
        return "/".join(_safe(part) for part in read.below.split("/"))
    if _is_unique(path.stem):
        return f"{_safe(path.stem)}{path.suffix}"
    session = identity.format.context(f"{path.parent.name}/{path.name}").session_id
    if session != path.stem and _is_unique(path.parent.name):
        return f"{_safe(path.parent.name)}/{_safe(path.stem)}{path.suffix}"
    name = named(identity.first) if identity.whole else ""
    return f"{_safe(name or f'{path.stem}-{_sum(os.fsencode(path.absolute()))}')}{path.suffix}"


def _is_unique(stem: str) -> bool:
    """True for a name with an ID in it."""
    return re.search(r"[0-9a-fA-F-]{12,}", stem) is not None


def _safe(name: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".")[:150] or "unnamed"
    return safe if safe == name else f"{safe}-{_sum(name.encode('utf-8', 'surrogateescape'))}"


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
