"""`mnemo verify`: every file read again and compared with the database and the log, byte for byte."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path

import msgspec

from archive import queries
from archive.copies import Archive, Segment, Transcript, decoded
from archive.proof.compare import Comparison, Gap, OnDisk
from archive.proof.kept import compare_kept, only_logged
from archive.proof.records import Wanted, compare_records
from contracts import codec, projects, sources, subjects
from contracts.sources import Root
from contracts.transcripts import Checkpoint, RecordsReparsed, TranscriptChanged
from runtime.files import walk

HEAD = 64 * 1024
RECENT_SECONDS = 60.0
"""A file changed so recently may still be on its way: it gets a second look before it counts as a gap."""


class Damage(msgspec.Struct, frozen=True):
    """Lines of one transcript that are damaged in one way."""

    file: str
    kind: str
    lines: int


class Report(msgspec.Struct):
    """What was compared. `equal` is the proof."""

    files: int = 0
    bytes: int = 0
    archived_only: int = 0
    """Transcripts whose file is gone: database and log were compared with each other and their checksums."""
    ignored: int = 0
    forgotten: int = 0
    problems: list[str] = []
    """Folders that cannot be listed."""
    gaps: list[Gap] = []
    damaged: list[Damage] = []
    """Damaged lines of the present generations; their bytes are archived as they are."""
    unknown: dict[str, int] = {}
    """Lines of types that no parser knows, by type."""
    texts: int = 0
    texts_without_vector: int = 0
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """True if every file equals its copies."""
        return not self.gaps


class Scope(msgspec.Struct, frozen=True):
    """Which files: those below `roots`; with `archived` also transcripts whose file is gone."""

    roots: Sequence[Root]
    archived: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


Progress = Callable[[str, int, int], None]
"""Called with a step's name, bytes done, bytes in all."""


async def verify(archive: Archive, scope: Scope, progress: Progress) -> Report:
    """Compares everything in scope. Raises Unreachable."""
    began = time.monotonic()
    report = Report()
    found = await _files(archive, scope, report)
    report.files, report.bytes = len(found), sum(size for _, size, _ in found)
    gaps = await _compare(archive, found, progress)
    recent = [f for f in found if _recent(f[0]) and any(gap.file == codec.printable(f[0]) for gap in gaps)]
    if recent:
        await asyncio.sleep(4)
        again = [(full, os.stat(full).st_size, row) for full, _, row in recent if os.path.exists(full)]
        rows = {row.full: row for row in await archive.transcripts()}
        again = [(full, size, row or rows.get(codec.printable(full))) for full, size, row in again]
        names = {codec.printable(full) for full, _, _ in again}
        gaps = [gap for gap in gaps if gap.file not in names] + await _compare(archive, again, lambda *_: None)
    if scope.archived:
        gaps += await _without_file(archive, {row.transcript_id for _, _, row in found if row}, report, progress)
    gaps += [Gap(problem, "file", 0, 0, "cannot be listed") for problem in report.problems]
    report.gaps = sorted(gaps)
    coverage = await archive.database.fetchrow(queries.read("unembedded"))
    report.texts, report.texts_without_vector = coverage["texts"], coverage["missing"]
    for row in await archive.database.fetch(queries.read("odd_lines")):
        what, _, kind = row["name"].partition(":")
        if what == "damaged":
            report.damaged.append(Damage(row["file"], kind, row["lines"]))
        else:
            report.unknown[kind] = report.unknown.get(kind, 0) + row["lines"]
    report.seconds = time.monotonic() - began
    return report


File = tuple[str, int, Transcript | None]
Known = dict[str, tuple[str, int, Transcript]]
"""By transcript: its file, the file's size, its row."""
Advance = Callable[[str, int], None]
"""Called with a copy and the bytes of it that were compared just now."""
MOST_OPEN = 100


async def _without_file(archive: Archive, present: set[str], report: Report, progress: Progress) -> list[Gap]:
    """Transcripts whose file is gone, known to either copy, and earlier generations of those that are there."""
    rows = {row.transcript_id: row for row in await archive.transcripts()}
    checkpoints = await archive.checkpoints()
    unknown = checkpoints.keys() - rows.keys() - await archive.forgotten()
    gaps = []
    for name in sorted(unknown):
        if row := await only_logged(archive, name):
            rows[name] = row
            gaps.append(Gap(row.full, "database", 0, checkpoints[name].end, "not in the archive", name))
    rewritten = {name for name in present if name in checkpoints and checkpoints[name].generation}
    gone = rows.keys() - present
    report.archived_only = len(gone)
    for number, name in enumerate(sorted(gone | rewritten), start=1):
        gaps += await compare_kept(archive, rows[name], file_gone=name in gone)
        progress("without file", number, len(gone | rewritten))
    return gaps


async def _files(archive: Archive, scope: Scope, report: Report) -> list[File]:
    """Files in scope with their size and their transcript, if the archive knows one."""
    known = await archive.transcripts()
    forgotten = await archive.forgotten()
    own = os.environ.get("MNEMO_HOST") or socket.gethostname()
    hosts = {row.host for row in known} | {own}
    found: list[File] = []
    for root in sources.distinct(msgspec.structs.replace(r, folder=os.path.realpath(r.folder)) for r in scope.roots):
        # The same path may be known twice, from another host or below another root: its own row comes last.
        ranked = sorted(known, key=lambda row: (row.root == codec.printable(root.folder), row.host == own))
        rows = {row.full: row for row in ranked}
        for path, stat in walk(root.folder, root.owns, report.problems):
            full = os.path.join(root.folder, *path.split("/"))
            row = rows.get(codec.printable(f"{root.folder}/{path}"))
            names = {codec.transcript_id(s, h, root.folder, path) for s in sources.BY_NAME for h in hosts}
            if row is None and names & forgotten:
                report.forgotten += 1
            elif row is None and (not stat.size or not _wanted(full, path, root, scope)):
                report.ignored += 1
            else:
                found.append((full, stat.size, row))
    return found


def _wanted(full: str, path: str, root: Root, scope: Scope) -> bool:
    """False for a file that is rightly not captured: excluded, or JSON that is no transcript."""
    try:
        with open(full, "rb") as handle:
            head = handle.read(HEAD)
    except OSError:
        return True
    transcript = root.source != sources.AUTO or path.endswith(".jsonl") or bool(sources.of_document(head))
    return transcript and projects.admitted(path, head, scope.include, scope.exclude)


def _recent(full: str) -> bool:
    try:
        return time.time() - os.stat(full).st_mtime < RECENT_SECONDS  # noqa: TID251 - a file's time is wall time
    except OSError:
        return True


async def _compare(archive: Archive, found: list[File], progress: Progress) -> list[Gap]:
    """Gaps of files in both copies and in the records."""
    gaps = [
        Gap(codec.printable(full), "database", 0, size, "not in the archive")
        for full, size, row in found
        if row is None and size
    ]
    known = {row.transcript_id: (full, size, row) for full, size, row in found if row is not None and size}
    checkpoints = await archive.checkpoints()
    expected = await _generations(archive, known, checkpoints)
    total = 2 * sum(size for _, size, _ in known.values())
    done = Counter[str]()

    def advance(copy: str, count: int) -> None:
        done[copy] += count
        progress(f"{len(known)} files", done.total(), total)

    wanted = Wanted()
    for found_gaps in await asyncio.gather(  # two connections, and threads that decompress, hash and compare
        _against_database(archive, known, expected, advance),
        _against_log(archive, known, expected, wanted, advance),
    ):
        gaps += found_gaps
    for name, (full, _, _) in known.items():
        gaps += await compare_records(archive, codec.printable(full), name, wanted.of(name))
    return gaps


async def _generations(archive: Archive, known: Known, checkpoints: dict[str, Checkpoint]) -> dict[str, int]:
    """The generation that is the file now: the newest one of either copy."""
    rows = await archive.database.fetch(queries.read("generations"), list(known))
    found = {row[0]: row[1] for row in rows}
    return {name: max(found.get(name, 0), checkpoints[name].generation if name in checkpoints else 0) for name in known}


async def _against_database(archive: Archive, known: Known, expected: dict[str, int], advance: Advance) -> list[Gap]:
    """File by file, each with its segments in their order."""
    gaps: list[Gap] = []
    for name, (full, size, _) in known.items():
        comparison = Comparison(codec.printable(full), "database", name)
        try:
            with open(full, "rb") as handle:
                disk = OnDisk(handle, size)
                async with aclosing(archive.segments(name)) as segments:
                    async for segment in segments:
                        if segment.generation == expected[name]:
                            await asyncio.to_thread(comparison.take, segment, disk)
                            advance("database", segment.end - segment.start)
            gaps += comparison.finish(size)
        except OSError as error:
            gaps.append(Gap(codec.printable(full), "file", 0, size, f"cannot be read: {error.strerror}", name))
    return gaps


async def _against_log(
    archive: Archive, known: Known, expected: dict[str, int], wanted: Wanted, advance: Advance
) -> list[Gap]:
    """One pass over the log in its order: bytes against the files; the records go to `wanted`."""
    comparisons = {name: Comparison(codec.printable(full), "log", name) for name, (full, _, _) in known.items()}
    with ExitStack() as stack:
        opened: dict[str, OnDisk] = {}
        async for message in archive.messages(_filters(known)):
            name = subjects.source_and_transcript(message.subject)[1]
            if name not in known:
                continue
            event = decoded(message)
            if isinstance(event, (TranscriptChanged, RecordsReparsed)):
                wanted.take(event)
            if not isinstance(event, TranscriptChanged) or event.start == event.end:
                continue
            if event.generation != expected[name]:
                continue
            if name not in opened:
                if len(opened) >= MOST_OPEN:
                    stack.pop_all().close()
                    opened.clear()
                try:
                    handle = stack.enter_context(open(known[name][0], "rb"))
                except OSError:
                    continue  # said by the other copy's comparison
                opened[name] = OnDisk(handle, known[name][1])
            segment = Segment(event.generation, event.start, event.end, event.data, bytes.fromhex(event.sha256))
            await asyncio.to_thread(comparisons[name].take, segment, opened[name])
            advance("log", event.end - event.start)
    return [gap for name, comparison in comparisons.items() for gap in comparison.finish(known[name][1])]


def _filters(known: Iterable[str]) -> list[str]:
    """The subjects of a few transcripts, else of all of them."""
    names = list(known)
    if len(names) > 50:
        return [subjects.CHANGED, subjects.REPARSED]
    return [subject for name in names for subject in subjects.of_transcript(name)]


def roots_of(given: Sequence[str], configured: Sequence[str], rows: Iterable[Transcript]) -> list[Root]:
    """The folders to verify: those given, else those of the running system, else all that the archive knows."""
    if given:
        return [sources.parse(text) for text in given]
    if configured:
        return [sources.parse(text) for text in configured]
    known = [Root(folder) for folder in {row.root for row in rows} if Path(folder).is_dir()]
    return [*known, *(root for root in sources.defaults(os.environ, Path.home()) if Path(root.folder).is_dir())]
