"""`mnemo secrets`: which sessions hold secrets, of which kinds, and where in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from mnemostream.archive import queries, restore
from mnemostream.archive.copies import Archive, Segment, Transcript
from mnemostream.archive.proof.kept import joined
from mnemostream.contracts.codec import iso
from mnemostream.runtime.disk import packed
from mnemostream.runtime.disk.generations import chained
from mnemostream.runtime.secrets.scan import Scanner


class SessionSecrets(msgspec.Struct):
    """The secrets of one session, its sub-agents' files included."""

    session_id: str
    source: str
    project: str | None
    captured_at: str
    secrets: int = 0
    kinds: dict[str, int] = {}


class Listing(msgspec.Struct, frozen=True):
    """Sessions with secrets, most first. `not_looked` transcripts were archived before secrets were recognised."""

    sessions: list[SessionSecrets]
    secrets: int
    not_looked: int


class Place(msgspec.Struct, frozen=True):
    """One secret: bytes [start, end) of a file, in its line (from 1)."""

    file: str
    line: int
    start: int
    end: int
    kind: str
    value: str


async def listing(archive: Archive, kind: str = "") -> Listing:
    """All sessions with secrets, or with some of one kind."""
    found: dict[tuple[str, str], SessionSecrets] = {}
    for row in await archive.database.fetch(queries.read("secret_sessions")):
        key = row["session_id"], row["source"]
        session = found.setdefault(key, SessionSecrets(*key, row["project"], iso(row["captured_at"].timestamp())))
        session.kinds[row["kind"]] = row["secrets"]
        session.secrets += row["secrets"]
    sessions = [session for session in found.values() if not kind or kind in session.kinds]
    unseen = await archive.database.fetchval(queries.read("secrets_unseen"))
    return Listing(sessions, sum(session.secrets for session in sessions), unseen)


async def places(archive: Archive, session: str, scanner: Scanner) -> AsyncGenerator[Place, None]:
    """Where the secrets of a session are, in the newest generation of each of its files. Raises Unreachable if nothing
    matches."""
    for row in await restore.find(archive, session):
        newest: list[Segment] = []
        async with aclosing(archive.segments(row.transcript_id)) as segments:
            async for segment in segments:
                whole = newest and segment.generation > newest[-1].generation and segment.base is None
                newest = [segment] if whole else [*newest, segment]
        for place in await asyncio.to_thread(_found, row, newest, scanner):
            yield place


def _found(row: Transcript, segments: list[Segment], scanner: Scanner) -> list[Place]:
    data = joined(chained(segments, segments[-1].generation, segments[-1].end)) if segments else b""
    if packed.is_packed(row.path):
        data = b"".join(packed.unpacked([data]))
    found, at = [], 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        for secret in scanner.find(line):
            value = line[secret.start : secret.stop].decode("utf-8", "replace")
            found.append(Place(row.full, number, at + secret.start, at + secret.stop, secret.kind, value))
        at += len(line)
    return found
