"""`mnemo restore`: a transcript written back, byte for byte, from the database or, where that is damaged, the log."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from mnemostream.archive.copies import Archive, NotFound, Segment, Transcript, decoded
from mnemostream.contracts import subjects
from mnemostream.contracts.transcripts import TranscriptChanged


class Restored(msgspec.Struct, frozen=True):
    """One file that was written, or was there already (`same`)."""

    transcript: str
    file: str
    bytes: int
    generation: int
    copy: str
    sha256: str
    same: bool = False
    replaced: int = 0
    """Secrets that were replaced before they were archived: the file has placeholders in their place."""


class Damaged(Exception):
    """Neither copy is whole."""


class InTheWay(Exception):
    """The file is there with other bytes."""


async def find(archive: Archive, name: str) -> list[Transcript]:
    """Transcripts of a session, or the one with this id or path: main files first. Raises NotFound."""
    rows = await archive.transcripts()
    matches = [row for row in rows if name in (row.session_id, row.transcript_id, row.path, row.full)]
    matches = matches or [row for row in rows if row.session_id.startswith(name)]
    if not matches:
        raise NotFound(f"nothing archived matches {name}; `mnemo sessions` lists what there is")
    sessions = {row.session_id for row in matches}
    if len(sessions) > 1:
        raise NotFound(f"{name} is ambiguous: {', '.join(sorted(sessions)[:5])}")
    return sorted(matches, key=lambda row: (row.subagent, row.full))


async def generations(archive: Archive, row: Transcript) -> dict[int, int]:
    """The generations that either copy holds, oldest first, and where each ends."""
    ends: dict[int, int] = {}
    for segments in (archive.segments(row.transcript_id), logged(archive, row)):
        async for segment in segments:
            ends[segment.generation] = max(ends.get(segment.generation, 0), segment.end)
    return dict(sorted(ends.items()))


async def restore(
    archive: Archive, row: Transcript, target: Path, generation: int | None = None, *, force: bool = False
) -> Restored:
    """Writes one transcript. Raises Damaged (nothing is written), InTheWay (unless `force`), OSError."""
    known = await generations(archive, row)
    chosen = max(known, default=None) if generation is None else generation
    if chosen is None or chosen not in known:
        raise Damaged(f"{row.transcript_id}: generation {chosen} is not in the archive (available: {list(known)})")
    problems = []
    for copy, segments in (("database", archive.segments(row.transcript_id)), ("log", logged(archive, row))):
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            async with aclosing(segments):  # its transaction ends with it, also after a gap
                size, digest, replaced = await _write(part, segments, chosen)
            if size < known[chosen]:
                raise ValueError(f"bytes {size} to {known[chosen]} are missing")
            same = target.exists() and _sha(target) == digest
            if not same and target.exists() and not force:
                why = f" ({replaced} secrets were replaced before they were archived)" if replaced else ""
                words = f"{target} exists with different content{why}; choose another file with -o, or use --force"
                raise InTheWay(words)
            if not same:
                os.replace(part, target)
            return Restored(row.transcript_id, str(target), size, chosen, copy, digest, same, replaced)
        except ValueError as error:
            problems.append(f"{copy}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise Damaged(f"{row.transcript_id}: {'; '.join(problems)}")


async def _write(part: Path, segments: AsyncGenerator[Segment, None], generation: int) -> tuple[int, str, int]:
    """Length and hex SHA-256 of what was written, and how many placeholders are in it. Raises ValueError at a gap or
    a wrong checksum."""
    hasher = hashlib.sha256()
    end = replaced = 0
    with open(part, "wb") as handle:
        async with aclosing(_ordered(segments, generation)) as ordered:
            async for segment in ordered:
                if segment.end <= end:
                    continue
                if segment.start > end:
                    raise ValueError(f"bytes {end} to {segment.start} are missing")
                data = segment.bytes()[end - segment.start :]
                handle.write(data)
                hasher.update(data)
                end = segment.end
                replaced += len(segment.replaced)
                if not segment.kept_sha256 and hasher.copy().digest() != segment.sha256:
                    raise ValueError(f"bytes {segment.start} to {end} do not match the recorded checksum")
        handle.flush()
        os.fsync(handle.fileno())
    return end, hasher.hexdigest(), replaced


async def _ordered(segments: AsyncGenerator[Segment, None], generation: int) -> AsyncGenerator[Segment, None]:
    """Segments of one generation; the log holds them in the order of capture, which is that of the file."""
    async for segment in segments:
        if segment.generation == generation:
            yield segment


async def logged(archive: Archive, row: Transcript) -> AsyncGenerator[Segment, None]:
    """Segments of one transcript in the log."""
    async with aclosing(archive.messages([subjects.changed(row.source, row.transcript_id)])) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                yield Segment.of(event)


def _sha(file: Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def targets(rows: Sequence[Transcript], output: Path | None) -> list[tuple[Transcript, Path]]:
    """Where each transcript goes: the main file to `output`, or all to where the assistant keeps them. Raises InTheWay
    for rows of a database, which is never written to."""
    if output is not None:
        return [(rows[0], output)]
    if database := next((row.root for row in rows if os.path.isfile(row.root)), None):
        words = (
            f"{database} is a database: name a file for the rows of the session with -o, or restore all of it into a"
        )
        raise InTheWay(f"{words} new one: `mnemo restore {database} -o FILE`")
    return [(row, Path(row.full)) for row in rows]
