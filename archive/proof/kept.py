"""What no file can be compared with: transcripts whose file is gone, and earlier generations. The two copies
against each other and against their checksums."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing

from mnemostream.archive.copies import Archive, Segment, Transcript, decoded
from mnemostream.archive.proof.compare import Comparison, Gap
from mnemostream.archive.proof.records import Wanted, compare_records
from mnemostream.contracts import subjects
from mnemostream.contracts.transcripts import RecordsReparsed, TranscriptChanged


class Kept:
    """Bytes in memory, as what a copy is compared with."""

    is_original = False

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, end: int) -> bytes:
        return self._data[start:end]


Generations = dict[int, list[Segment]]


async def compare_kept(archive: Archive, row: Transcript, *, file_gone: bool) -> list[Gap]:
    """Gaps of one transcript: of all its generations and its records, or, if its file is there, of the earlier ones."""
    wanted = Wanted()
    logged = await _logged(archive, row.transcript_id, wanted)
    stored: Generations = {}
    async with aclosing(archive.segments(row.transcript_id)) as kept_segments:
        async for segment in kept_segments:
            stored.setdefault(segment.generation, []).append(segment)
    known = sorted(logged.keys() | stored.keys())
    gaps: list[Gap] = []
    for generation in known if file_gone else known[:-1]:
        copies = {"database": stored.get(generation, []), "log": logged.get(generation, [])}
        reference = max((joined(segments) for segments in copies.values()), key=len)
        end = max(segment.end for segments in copies.values() for segment in segments)
        for copy, segments in copies.items():
            comparison = Comparison(f"{row.full} (generation {generation})", copy, row.transcript_id)
            for segment in sorted(segments, key=lambda segment: (segment.start, segment.end)):
                comparison.take(segment, Kept(reference))
            gaps += comparison.finish(max(end, len(reference)))
    if file_gone:
        gaps += await compare_records(archive, row.full, row.transcript_id, wanted.of(row.transcript_id))
    return gaps


async def _logged(archive: Archive, transcript: str, wanted: Wanted) -> Generations:
    """Segments of one transcript in the log; its records go to `wanted`."""
    generations: Generations = {}
    async with aclosing(archive.messages(subjects.of_transcript(transcript))) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, (TranscriptChanged, RecordsReparsed)):
                wanted.take(event)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                segment = Segment.of(event)
                generations.setdefault(event.generation, []).append(segment)
    return generations


async def only_logged(archive: Archive, transcript: str) -> Transcript | None:
    """The row that a transcript would have which the database does not know; None if the log holds no segment."""
    async with aclosing(archive.messages(subjects.of_transcript(transcript))) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, TranscriptChanged):
                facts = (event.source, event.host, event.root, event.path, event.session_id, event.subagent)
                return Transcript(transcript, *facts)
    return None


def joined(segments: Iterable[Segment]) -> bytes:
    """The bytes up to the first gap."""
    data = bytearray()
    for segment in sorted(segments, key=lambda segment: (segment.start, segment.end)):
        if segment.start > len(data):
            break
        if segment.end > len(data):
            try:
                data += segment.bytes()[len(data) - segment.start :]
            except ValueError:
                break
    return bytes(data)
