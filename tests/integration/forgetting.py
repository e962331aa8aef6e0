"""Parts of the tests of forget and reparse."""

from __future__ import annotations

import asyncpg
import msgspec

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import Chunk, Kind, Record, RecordsEmbedded, TranscriptChanged, embeddable
from mnemostream.runtime.bus import Bus
from mnemostream.services.writer.database import connect
from tests.conftest import ROOT


async def _apply_tombstones(bus: Bus, dsn: str) -> None:
    """What the writer does with a tombstone."""
    subscription = await bus.client.subscribe(subjects.FORGOTTEN)
    message = await subscription.next_msg(30)
    async with connect(dsn) as store:
        event = codec.decode(message.data)
        await store.store_transcripts([event])


async def _kinds(database: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await database.fetch("select kind from records")}


async def _rows(database: asyncpg.Connection) -> list[asyncpg.Record]:
    return await database.fetch("select * from records order by byte_offset, record_id")


def embedded(change: TranscriptChanged, vector: bytes) -> RecordsEmbedded:
    """Vectors of all that is to be embedded in a segment."""
    chunks = [
        Chunk(record.id, codec.text_sha(record.text), 0, 0, len(record.text), vector)
        for record in change.records
        if embeddable(record)
    ]
    return RecordsEmbedded(change.transcript, change.source, "m", "m", 2, chunks)


def changed_by_hand(name: str, lines: list[dict[str, object]]) -> TranscriptChanged:
    """One segment of a transcript of this name."""
    golden = codec.decode((ROOT / "contracts/golden/TranscriptChanged.v1.json").read_bytes())
    assert isinstance(golden, TranscriptChanged)
    kinds = [Kind.PROMPT, Kind.ANSWER]
    records = [
        Record(str(line["uuid"]), kind, number, text=text_of(line))
        for number, (line, kind) in enumerate(zip(lines, kinds, strict=True))
    ]
    return msgspec.structs.replace(golden, transcript=name, session_id=name, records=records)


def text_of(line: dict[str, object]) -> str:
    content = line["message"]["content"]  # type: ignore[index]
    return content if isinstance(content, str) else content[0]["text"]
