"""What no file can be compared with: transcripts whose file is gone, and earlier generations. The two copies
against each other and against their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import aclosing

from mnemostream.archive.copies import Archive, Segment, Transcript, decoded
from mnemostream.archive.proof.compare import Comparison, Gap
from mnemostream.archive.proof.records import Wanted, compare_records
from mnemostream.contracts import subjects
from mnemostream.contracts.transcripts import RecordsReparsed, TranscriptChanged
from mnemostream.runtime.disk.generations import chained


class Kept:
    """Bytes in memory, as what a copy is compared with."""

    is_original = False

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, end: int) -> bytes:
        return self._data[start:end]


async def compare_kept(archive: Archive, row: Transcript, *, file_gone: bool) -> list[Gap]:
    """Gaps of one transcript: of all its generations and its records, or, if its file is there, of the earlier ones."""
    wanted = Wanted()
    logged = await _logged(archive, row.transcript_id, wanted)
    async with aclosing(archive.segments(row.transcript_id)) as kept_segments:
        stored = [segment async for segment in kept_segments]
    known = sorted({segment.generation for segment in [*logged, *stored]})
    gaps: list[Gap] = []
    for generation in known if file_gone else known[:-1]:
        gaps += _compared(row, generation, {"database": stored, "log": logged})
    if file_gone:
        gaps += await compare_records(archive, row.full, row.transcript_id, wanted.of(row.transcript_id))
    return gaps


def _compared(row: Transcript, generation: int, copies: dict[str, list[Segment]]) -> list[Gap]:
    """Gaps of one generation in either copy; what it shares with earlier ones is compared, too."""
    own = [s for segments in copies.values() for s in segments if s.generation == generation]
    end = max(segment.end for segment in own)
    chains = {copy: list(chained(segments, generation, end)) for copy, segments in copies.items()}
    reference = max((joined(chain) for chain in chains.values()), key=lambda data: (_sums_up(data, own), len(data)))
    gaps: list[Gap] = []
    for copy, chain in chains.items():
        comparison = Comparison(f"{row.full} (generation {generation})", copy, row.transcript_id)
        for segment, stop in chain:
            comparison.take(segment, Kept(reference), stop)
        gaps += comparison.finish(max(end, len(reference)))
    return gaps


def _sums_up(data: bytes, own: list[Segment]) -> bool:
    """True if bytes have the checksum of the segment that ends with them."""
    digest = hashlib.sha256(data).digest()
    return any(segment.end == len(data) and segment.sha256 == digest for segment in own)


async def _logged(archive: Archive, transcript: str, wanted: Wanted) -> list[Segment]:
    """Segments of one transcript in the log; its records go to `wanted`."""
    segments: list[Segment] = []
    async with aclosing(archive.messages(subjects.of_transcript(transcript))) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, (TranscriptChanged, RecordsReparsed)):
                wanted.take(event)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                segments.append(Segment.of(event))
    return segments


async def only_logged(archive: Archive, transcript: str) -> Transcript | None:
    """The row that a transcript would have which the database does not know; None if the log holds no segment."""
    async with aclosing(archive.messages(subjects.of_transcript(transcript))) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, TranscriptChanged):
                facts = (event.source, event.host, event.root, event.path, event.session_id, event.subagent)
                return Transcript(transcript, *facts)
    return None


def joined(chain: Iterable[tuple[Segment, int]]) -> bytes:
    """The bytes up to the first gap; of each segment those before its stop."""
    data = bytearray()
    for segment, stop in chain:
        if segment.start > len(data):
            break
        if stop > len(data):
            try:
                data += segment.bytes()[len(data) - segment.start : stop - segment.start]
            except ValueError:
                break
    return bytes(data)
