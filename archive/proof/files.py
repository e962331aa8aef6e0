"""Files against both copies and against the records, segment by segment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import ExitStack, aclosing, suppress

from mnemostream.archive import queries
from mnemostream.archive.copies import Archive, Segment, Transcript, decoded
from mnemostream.archive.proof.compare import Comparison, Gap, OnDisk
from mnemostream.archive.proof.records import Wanted, compare_records
from mnemostream.archive.restore import logged
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import Base, Checkpoint, RecordsReparsed, TranscriptChanged
from mnemostream.runtime.disk.generations import chained

Progress = Callable[[str, int, int], None]
"""Called with a step's name, bytes done, bytes in all."""
File = tuple[str, int, Transcript | None]
Known = dict[str, tuple[str, int, Transcript]]
"""By transcript: its file, the file's size, its row."""
Advance = Callable[[str, int], None]
"""Called with a copy and the bytes of it that were compared just now."""
MOST_OPEN = 100


async def compare_files(archive: Archive, files: list[File], progress: Progress) -> list[Gap]:
    """Gaps of files in both copies and in the records."""
    gaps = [
        Gap(codec.printable(full), "database", 0, size, "not in the archive")
        for full, size, row in files
        if row is None and size
    ]
    known = {row.transcript_id: (full, size, row) for full, size, row in files if row is not None and size}
    checkpoints = await archive.checkpoints()
    expected = await _generations(archive, known, checkpoints)
    total = 2 * sum(size for _, size, _ in known.values())
    done = Counter[str]()

    def advance(copy: str, count: int) -> None:
        done[copy] += count
        progress(f"{len(known)} files", done.total(), total)

    wanted = Wanted()
    for copy_gaps in await asyncio.gather(  # two connections, and threads that decompress, hash and compare
        _against_database(archive, known, expected, advance),
        _against_log(archive, known, expected, wanted, advance),
    ):
        gaps += copy_gaps
    for name, (full, _, _) in known.items():
        gaps += await compare_records(archive, codec.printable(full), name, wanted.of(name))
    return gaps


async def _generations(archive: Archive, known: Known, checkpoints: dict[str, Checkpoint]) -> dict[str, int]:
    """The generation that is the file now: the newest one of either copy."""
    rows = await archive.database.fetch(queries.read("generations"), list(known))
    generations = {row[0]: row[1] for row in rows}
    return {
        name: max(generations.get(name, 0), checkpoints[name].generation if name in checkpoints else 0)
        for name in known
    }


async def _against_database(archive: Archive, known: Known, expected: dict[str, int], advance: Advance) -> list[Gap]:
    """File by file, each with its segments in their order."""
    gaps: list[Gap] = []
    for name, (full, size, _) in known.items():
        comparison = Comparison(codec.printable(full), "database", name)
        try:
            with open(full, "rb") as handle:
                await _stored(archive, comparison, OnDisk(handle, size), expected[name], advance)
            gaps += comparison.finish(size)
        except OSError as error:
            gaps.append(Gap(codec.printable(full), "file", 0, size, f"cannot be read: {error.strerror}", name))
    return gaps


async def _stored(archive: Archive, comparison: Comparison, disk: OnDisk, generation: int, advance: Advance) -> None:
    """Feeds a comparison with the segments of one generation."""
    base: Base | None = None
    async with aclosing(archive.segments(comparison.transcript)) as segments:
        async for segment in segments:
            if segment.generation == generation:
                base = base or segment.base
                await asyncio.to_thread(comparison.take, segment, disk)
                advance("database", segment.end - segment.start)
    if base:
        await _shared(comparison, [one async for one in archive.segments(comparison.transcript)], base, disk)
        advance("database", base.bytes)


async def _shared(comparison: Comparison, segments: list[Segment], base: Base, disk: OnDisk) -> None:
    """Feeds a comparison with what a document has in common with earlier generations."""
    for segment, stop in chained(segments, base.generation, base.bytes):
        await asyncio.to_thread(comparison.take, segment, disk, stop)


async def _against_log(
    archive: Archive, known: Known, expected: dict[str, int], wanted: Wanted, advance: Advance
) -> list[Gap]:
    """One pass over the log in its order: bytes against the files; the records go to `wanted`."""
    comparisons = {name: Comparison(codec.printable(full), "log", name) for name, (full, _, _) in known.items()}
    bases: dict[str, Base] = {}
    with ExitStack() as stack:
        opened: dict[str, OnDisk] = {}
        async with aclosing(_changes(archive, known, wanted)) as changes:
            async for name, event in changes:
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
                segment = Segment.of(event)
                if segment.base:
                    bases[name] = segment.base
                await asyncio.to_thread(comparisons[name].take, segment, opened[name])
                advance("log", event.end - event.start)
    for name, base in bases.items():
        full, size, row = known[name]
        with suppress(OSError), open(full, "rb") as handle:
            await _shared(comparisons[name], [one async for one in logged(archive, row)], base, OnDisk(handle, size))
            advance("log", base.bytes)
    return [gap for name, comparison in comparisons.items() for gap in comparison.finish(known[name][1])]


async def _changes(
    archive: Archive, known: Known, wanted: Wanted
) -> AsyncGenerator[tuple[str, TranscriptChanged], None]:
    """The segments of these transcripts in the log, with bytes; the records go to `wanted`."""
    async with aclosing(archive.messages(_filters(known))) as messages:
        async for message in messages:
            name = subjects.source_and_transcript(message.subject)[1]
            event = decoded(message) if name in known else None
            if isinstance(event, (TranscriptChanged, RecordsReparsed)):
                wanted.take(event)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                yield name, event


def _filters(known: Iterable[str]) -> list[str]:
    """The subjects of a few transcripts, else of all of them."""
    names = list(known)
    if len(names) > 50:
        return [subjects.CHANGED, subjects.REPARSED]
    return [subject for name in names for subject in subjects.of_transcript(name)]
