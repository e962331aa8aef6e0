"""`mnemo restore`: a transcript written back, byte for byte, from the database or, where that is damaged, the log."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from mnemostream.archive.copies import Archive, NotFound, Segment, Transcript, decoded
from mnemostream.contracts import subjects
from mnemostream.contracts.transcripts import Base, TranscriptChanged
from mnemostream.runtime.disk.generations import Span, spans


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


class Generation(msgspec.Struct):
    """What the copies hold of one generation. Times are Unix, seconds."""

    number: int
    end: int = 0
    last_at: float = 0.0
    """When its last bytes were captured."""
    base: Base | None = None


async def generations(archive: Archive, row: Transcript, at: float | None = None) -> dict[int, Generation]:
    """The generations that either copy holds, oldest first; with `at`, as they were at that time."""
    found: dict[int, Generation] = {}
    for segments in (archive.segments(row.transcript_id), logged(archive, row)):
        async for segment in segments:
            if at is not None and segment.captured_at > at:
                continue
            known = found.setdefault(segment.generation, Generation(segment.generation))
            known.end = max(known.end, segment.end)
            known.last_at = max(known.last_at, segment.captured_at)
            known.base = known.base or segment.base
    return dict(sorted(found.items()))


class Wish(msgspec.Struct, frozen=True):
    """Which state of a transcript: the newest one, or that of a generation, or that at a time (Unix, seconds)."""

    generation: int | None = None
    at: float | None = None


NEWEST = Wish()


async def restore(
    archive: Archive, row: Transcript, target: Path, wish: Wish = NEWEST, *, force: bool = False
) -> Restored:
    """Writes one transcript. Raises Damaged (nothing is written), InTheWay (unless `force`), OSError."""
    known = await generations(archive, row, wish.at)
    chosen = max(known, default=None) if wish.generation is None else wish.generation
    if chosen is None or chosen not in known:
        raise Damaged(_unknown(row, chosen, wish, list(known)))
    bases = {number: one.base for number, one in known.items() if one.base}
    places = {span.generation: span for span in spans(bases, chosen, known[chosen].end)}
    problems = []
    for copy, segments in (("database", archive.segments(row.transcript_id)), ("log", logged(archive, row))):
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            async with aclosing(segments):  # its transaction ends with it, also after a gap
                size, digest, replaced = await _write(part, segments, places)
            if size < known[chosen].end:
                raise ValueError(f"bytes {size} to {known[chosen].end} are missing")
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


def _unknown(row: Transcript, chosen: int | None, wish: Wish, known: list[int]) -> str:
    if wish.at is not None and not known:
        return f"{row.transcript_id}: nothing was archived at that time yet"
    return f"{row.transcript_id}: generation {chosen} is not in the archive (available: {known})"


async def _write(
    part: Path, segments: AsyncGenerator[Segment, None], places: Mapping[int, Span]
) -> tuple[int, str, int]:
    """Length and hex SHA-256 of what was written, and how many placeholders are in it. Raises ValueError at a gap or
    a wrong checksum. Both copies hold segments in the order of capture: an earlier generation's come first."""
    hasher = hashlib.sha256()
    end = replaced = 0
    clean = True
    with open(part, "wb") as handle:
        async for segment in segments:
            place = places.get(segment.generation)
            stop = min(segment.end, place.stop) if place else 0
            if stop <= end:
                continue
            if segment.start > end:
                raise ValueError(f"bytes {end} to {segment.start} are missing")
            data = segment.bytes()[end - segment.start : stop - segment.start]
            handle.write(data)
            hasher.update(data)
            end = stop
            replaced += sum(1 for start, _ in segment.replaced if start < stop)
            clean = clean and not segment.kept_sha256
            if clean and stop == segment.end and hasher.copy().digest() != segment.sha256:
                raise ValueError(f"bytes {segment.start} to {end} do not match the recorded checksum")
        handle.flush()
        os.fsync(handle.fileno())
    return end, hasher.hexdigest(), replaced


async def logged(archive: Archive, row: Transcript) -> AsyncGenerator[Segment, None]:
    """Segments of one transcript in the log."""
    async with aclosing(archive.messages(subjects.segments(row.source, row.transcript_id))) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                yield Segment.of(event)


def _sha(file: Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


async def of_this_machine(archive: Archive, rows: Sequence[Transcript]) -> None:
    """Raises InTheWay for a transcript of an edge: its place is on another machine, and the edge has said which."""
    for row in rows:
        if edges := await archive.edges(row):
            raise InTheWay(f"{row.path} is of {edges[0]}, another machine: name a file for it with -o")


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
