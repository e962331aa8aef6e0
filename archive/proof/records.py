"""Records of the log against rows of the database: none is missing, other, or invented."""

from __future__ import annotations

import hashlib

from mnemostream.archive import queries
from mnemostream.archive.copies import Archive
from mnemostream.archive.proof.compare import Gap
from mnemostream.contracts import codec
from mnemostream.contracts.transcripts import Record, RecordsReparsed, TranscriptChanged
from mnemostream.runtime.disk import bodies


class Wanted:
    """The records that the log says the database must hold, by the writer's order of precedence."""

    def __init__(self) -> None:
        self._records: dict[str, dict[tuple[int, str, int, int], tuple[tuple[int, int, int], int, bytes]]] = {}
        self._reparsed: dict[tuple[str, int], tuple[int, int]] = {}

    def take(self, event: TranscriptChanged | RecordsReparsed) -> None:
        """Adds the records of one event."""
        generation = event.generation if event.lineage is None else event.lineage
        if isinstance(event, RecordsReparsed):
            key = (event.transcript, generation)
            self._reparsed[key] = max(self._reparsed.get(key, (0, 0)), (event.parser, event.end))
        table = self._records.setdefault(event.transcript, {})
        for record in event.records:
            place = (generation, codec.storable(record.id), record.block, record.part)
            rank = (event.parser, record.revision, -record.offset)
            if place not in table or rank > table[place][0]:
                table[place] = (rank, record.offset, _digest(record))

    def of(self, transcript: str) -> dict[tuple[int, str, int, int], tuple[int, bytes]]:
        """Offset and digest by generation, id, block and part."""
        digests = {}
        for place, (rank, offset, digest) in self._records.get(transcript, {}).items():
            parser, end = self._reparsed.get((transcript, place[0]), (0, 0))
            if not (rank[0] < parser and offset < end):
                digests[place] = (offset, digest)
        return digests


def _digest(record: Record) -> bytes:
    body = codec.storable(bodies.text_of(record))
    return hashlib.md5(f"{record.kind}\0{body}".encode(), usedforsecurity=False).digest()


async def compare_records(
    archive: Archive, full: str, name: str, wanted: dict[tuple[int, str, int, int], tuple[int, bytes]]
) -> list[Gap]:
    """Records that the database lacks, holds otherwise, or holds beyond the log's."""
    rows = await archive.database.fetch(queries.read("record_digests"), name)
    digests = {tuple(row[:4]): (row["byte_offset"], row["digest"]) for row in rows}
    gaps = []
    for place, (offset, digest) in wanted.items():
        if place not in digests:
            gaps.append(Gap(full, "records", offset, offset, f"record {place[1]} is missing", name))
        elif digests[place][1] != digest:
            gaps.append(Gap(full, "records", offset, offset, f"record {place[1]} has a different text", name))
    for place in digests.keys() - wanted.keys():
        gaps.append(
            Gap(full, "records", digests[place][0], digests[place][0], f"record {place[1]} is in no segment", name)
        )
    return gaps
