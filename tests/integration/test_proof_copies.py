"""The proof: green when all is there, red and naming the right bytes for each kind of damage in either copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnemostream.archive.copies import Archive
from mnemostream.archive.restore import Damaged, InTheWay, Wish, find, restore
from mnemostream.contracts import subjects, topology
from mnemostream.local.nats_server import Nats
from tests.integration.conftest import Fill, captured, replayed
from tests.integration.proving import (
    DELETE,
    proof,
    write,
)


async def test_a_deleted_transcript_is_restored_and_a_damaged_copy_is_no_source(
    transcripts: Path, fill: Fill, kept: Archive
) -> None:
    file = transcripts / "session.jsonl"
    write(file, "s")
    data = file.read_bytes()
    await fill()
    file.unlink()
    [row] = await find(kept, "session")
    done = await restore(kept, row, file)
    assert (file.read_bytes(), done.copy, done.same) == (data, "database", False)
    assert (await restore(kept, row, file)).same
    file.write_bytes(b"mine\n")
    with pytest.raises(InTheWay):
        await restore(kept, row, file)
    assert file.read_bytes() == b"mine\n"
    segments = [segment async for segment in kept.segments(row.transcript_id)]
    await kept.database.execute(DELETE, row.transcript_id, segments[1].start)
    done = await restore(kept, row, file, force=True)
    assert (file.read_bytes(), done.copy) == (data, "log")
    subject = subjects.changed(row.source, row.transcript_id)
    await kept.nats.stream.purge_stream(topology.TRANSCRIPTS.name, subject=subject)
    with pytest.raises(Damaged):
        await restore(kept, row, transcripts / "again.jsonl")
    assert [path.name for path in transcripts.iterdir()] == ["session.jsonl"]


async def test_earlier_generations_stay_and_can_be_restored(
    transcripts: Path, fill: Fill, kept: Archive, nats: Nats, database: str
) -> None:
    file = transcripts / "session.jsonl"
    write(file, "first")
    first = file.read_bytes()
    await fill()
    write(file, "second", 3)
    await captured(kept.nats, transcripts)
    await replayed(nats, database)
    assert (await proof(kept, transcripts)).equal
    [row] = await find(kept, "session")
    await restore(kept, row, transcripts.parent / "old", Wish(0))
    assert (transcripts.parent / "old").read_bytes() == first


async def test_replay_repairs_the_database_and_says_what_differed(
    transcripts: Path, fill: Fill, kept: Archive, nats: Nats, database: str
) -> None:
    for number in range(4):
        write(transcripts / f"{number}.jsonl", str(number))
    await fill()
    again = await replayed(nats, database)
    assert again.swapped
    assert all(table.equal for table in again.tables), again.tables
    assert {table.name: table.live_rows for table in again.tables}["transcripts"] == 4
    await kept.database.execute("delete from records where byte_offset > 500")
    await kept.database.execute("update segments set captured_at = now() where start_offset = 0")
    repaired = await replayed(nats, database)
    assert {table.name for table in repaired.tables if not table.equal} == {"records", "segments"}
    assert (await proof(kept, transcripts)).equal
    reader = await kept.database.fetchval("select has_table_privilege('mnemo_reader', 'records', 'select')")
    writer = await kept.database.fetchval("select has_table_privilege('mnemo_writer', 'chunks', 'insert')")
    assert (reader, writer) == (True, True)
