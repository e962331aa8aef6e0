"""The file of a backup: a ZIP archive with one member a stream, as the server gave it, and what it should hold.

    TRANSCRIPTS.tar.s2   EMBEDDINGS.tar.s2   …   backup.json (last: a file without it is not whole)

Or, in a folder of backups, backup.json alone: it names the pieces of each stream, which the backups share (`store.py`).

It is written under another name, and renamed when it is whole and proved (`local/backup/made.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zipfile
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path

import msgspec

from mnemostream.archive.backup import frames, pieces, snapshot
from mnemostream.archive.backup.frames import BadFrame
from mnemostream.archive.backup.snapshot import Head, State
from mnemostream.archive.backup.store import Store
from mnemostream.contracts import topology
from mnemostream.contracts.topology import Stream
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Misconfigured, Transient

WHOLE, SHARED = 1, 2
"""Formats: with everything in it, or with pieces beside it."""
MANIFEST = "backup.json"
SUFFIX, PARTIAL = ".mnemo-backup", ".partial"
"""Of the names in a folder of backups; of one that is being made."""
STREAMS = tuple(each for each in topology.STREAMS if each not in (*topology.VOLATILE, topology.ADVISORIES))
"""What is kept; the database is made from the log."""
COMPARED = (topology.TRANSCRIPTS.name, topology.EMBEDDINGS.name, topology.DEADLETTERS.name)
"""Streams in which a message stays until a person removes it; those of the others have an age."""
PIECE = snapshot.CHUNK
Tell = Callable[[str, int, int], None]
"""Step, done, total."""


class Damaged(Exception):
    """The file is no backup, or not what was written."""


class Part(msgspec.Struct, frozen=True):
    """One stream in the file."""

    name: str
    head: Head
    size: int
    sha256: str
    pieces: tuple[str, ...] = ()
    """Names of its pieces, in order; then size and hash are those of the content without frames."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of itself. `made_at` in Unix seconds."""

    format: int = WHOLE
    made_at: float
    version: str
    host: str
    """Name of the installation in transcript ids."""
    roots: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def log(self) -> State:
        """What the log holds."""
        return next(part.head.holds() for part in self.parts if part.name == topology.TRANSCRIPTS.name)


async def write(bus: Bus, file: Path, about: Manifest, tell: Tell, store: Store | None = None) -> Manifest:
    """A backup of every stream, the log first: what the embedder has acknowledged there is in the later snapshot of its
    vectors. `file` must not be there. With a store, what is in it is not written again. Raises Transient, OSError."""
    if store:
        shared = tuple([await _shared(bus, stream, store, tell) for stream in STREAMS])
        whole = msgspec.structs.replace(about, format=SHARED, parts=shared)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(msgspec.json.format(msgspec.json.encode(whole)))
            handle.flush()
            os.fsync(handle.fileno())
        return whole
    parts = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle, zipfile.ZipFile(handle, "w") as members:
        for stream in STREAMS:
            parts.append(await _part(bus, stream, members, tell))
        whole = msgspec.structs.replace(about, parts=tuple(parts))
        members.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(whole)))
        members.close()
        handle.flush()
        os.fsync(handle.fileno())
    return whole


async def _shared(bus: Bus, stream: Stream, store: Store, tell: Tell) -> Part:
    digest, size, names = hashlib.sha256(), 0, []
    async with snapshot.taken(bus, stream.name) as one, aclosing(one.chunks()) as chunks:
        try:
            async with aclosing(frames.decoded(chunks)) as contents, aclosing(pieces.cut(contents)) as cut:
                async for piece in cut:
                    names.append(await asyncio.to_thread(store.put, piece))
                    digest.update(piece)
                    size += len(piece)
                    tell(f"saving {stream.name}", size, max(size, one.head.holds().bytes))
        except BadFrame as error:
            raise Transient(f"the snapshot of {stream.name}: {error}") from error
    return Part(stream.name, one.head, size, digest.hexdigest(), tuple(names))


async def _part(bus: Bus, stream: Stream, members: zipfile.ZipFile, tell: Tell) -> Part:
    name, digest, size = f"{stream.name}.tar.s2", hashlib.sha256(), 0
    async with snapshot.taken(bus, stream.name) as one, aclosing(one.chunks()) as chunks:
        with members.open(name, "w", force_zip64=True) as member:
            async for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                tell(f"saving {stream.name}", size, max(size, one.head.holds().bytes))
    return Part(stream.name, one.head, size, digest.hexdigest())


def read(file: Path) -> Manifest:
    """What a file says of itself. Raises Damaged, OSError, and Misconfigured for one of a later version."""
    try:
        text = file.read_bytes() if _begins_as_json(file) else b""
        if not text:
            with zipfile.ZipFile(file) as members:
                text = members.read(MANIFEST)
        if msgspec.json.decode(text)["format"] > SHARED:
            raise Misconfigured(f"{file} was made by a later version; update Mnemostream")
        return msgspec.json.decode(text, type=Manifest)
    except (zipfile.BadZipFile, KeyError, TypeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{file} is no backup, or not whole: {error}") from error


def _begins_as_json(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(1) == b"{"


def used(folder: Path) -> set[str]:
    """Names of the pieces that the backups in a folder need, also one that is being proved. Raises OSError, and Damaged
    or Misconfigured where one cannot be understood: what it needs nobody knows."""
    names: set[str] = set()
    for file in folder.iterdir():
        if file.name.removesuffix(PARTIAL).endswith(SUFFIX):
            with suppress(FileNotFoundError):  # it has got its name, or was deleted
                names.update(name for part in read(file).parts for name in part.pieces)
    return names


async def put_back(bus: Bus, file: Path, manifest: Manifest, tell: Tell) -> None:
    """Makes all streams on a server that has none. Raises Damaged where one does not hold what it held; Transient."""
    with ExitStack() as stack:
        shared = manifest.format == SHARED
        members = None if shared else stack.enter_context(zipfile.ZipFile(file))
        for part in manifest.parts:
            chunks = _checked(members, part, tell) if members else _assembled(Store(file.parent), part, tell)
            async with aclosing(chunks) as content:
                made = await snapshot.restored(bus, part.name, part.head, content)
            if part.name in COMPARED and not made.like(part.head.holds()):
                raise Damaged(f"{file}: {part.name} held {part.head.holds()}, and holds {made} when it is restored")


async def _assembled(store: Store, part: Part, tell: Tell) -> AsyncGenerator[bytes, None]:
    digest, size = hashlib.sha256(), 0
    yield frames.STREAM
    for name in part.pieces:
        try:
            piece = await asyncio.to_thread(store.get, name)
        except (OSError, ValueError) as error:
            raise Damaged(f"{part.name} is damaged: {error}") from error
        digest.update(piece)
        size += len(piece)
        tell(f"reading {part.name}", size, part.size)
        yield frames.framed(piece)
    if (size, digest.hexdigest()) != (part.size, part.sha256):
        raise Damaged(f"{part.name} is damaged: its checksum differs")


async def _checked(members: zipfile.ZipFile, part: Part, tell: Tell) -> AsyncGenerator[bytes, None]:
    digest, size = hashlib.sha256(), 0
    try:
        with members.open(f"{part.name}.tar.s2") as member:
            while piece := member.read(PIECE):
                digest.update(piece)
                size += len(piece)
                tell(f"reading {part.name}", size, part.size)
                yield piece
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise Damaged(f"{part.name} is damaged: {error}") from error
    if (size, digest.hexdigest()) != (part.size, part.sha256):
        raise Damaged(f"{part.name} is damaged: its checksum differs")
