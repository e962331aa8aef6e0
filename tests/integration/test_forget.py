"""Tombstones and newer parsers: facts in the log, applied in any order, kept by a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mnemostream.archive.copies import Archive, decoded
from mnemostream.archive.forget import forget, survey
from mnemostream.archive.proof.verify import Scope, verify
from mnemostream.archive.restore import find
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Event, Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import TranscriptChanged, TranscriptForgotten
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus, Message
from mnemostream.services.writer.database import connect
from tests.conftest import jsonl, prompt
from tests.integration.conftest import Fill, captured, replayed
from tests.integration.forgetting import _apply_tombstones
from tests.integration.proving import write


async def test_a_forgotten_session_leaves_everywhere_and_never_comes_back(
    transcripts: Path, fill: Fill, kept: Archive, nats: Nats, database: str
) -> None:
    write(transcripts / "secret.jsonl", "secret")
    write(transcripts / "other.jsonl", "other")
    shared = jsonl(prompt("shared words", "shared"))
    for name in ("secret", "other"):
        with (transcripts / f"{name}.jsonl").open("ab") as handle:
            handle.write(shared)
    await fill()
    rows = await find(kept, "secret")
    letter = DeadLetter(
        Stage.WRITER,
        "w",
        subjects.changed("claude-code", rows[0].transcript_id),
        "TRANSCRIPTS",
        1,
        6,
        "e",
        "",
        b"x",
        1.0,
    )
    for name, letter_ in (("a", letter), ("b", msgspec.structs.replace(letter, subject="transcripts.changed.x.y"))):
        await kept.nats.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter_), name))
    before = await survey(kept, rows)
    assert (before.dead_letters, before.shared_exchanges, before.done) == (1, 1, False)
    assert before.messages == before.segments > 4
    applied = asyncio.create_task(_apply_tombstones(kept.nats, database))
    done = await forget(kept, rows)
    await applied
    assert done.done
    assert [row.session_id for row in await kept.transcripts()] == ["other"]
    for table in ("segments", "records"):
        assert not await kept.database.fetchval(
            f"select count(*) from {table} where transcript_id = $1", rows[0].transcript_id
        )
    assert await kept.database.fetchval("select count(*) from records where record_id = 'shared'") == 1
    letters = await kept.nats.stream.stream_info(topology.DEADLETTERS.name)
    assert letters.state.messages == 1
    with (transcripts / "secret.jsonl").open("ab") as handle:
        handle.write(jsonl(prompt("more secrets")))
    capture = await captured(kept.nats, transcripts)
    assert capture.beat.vitals.forgotten_files == 1
    outcome = await replayed(nats, database)
    assert all(table.equal for table in outcome.tables)
    assert [row.session_id for row in await kept.transcripts()] == ["other"]
    report = await verify(kept, Scope([Root(str(transcripts), "claude-code")], True), lambda *_: None)
    assert (report.equal, report.forgotten, report.files) == (True, 1, 1)


@pytest.mark.parametrize("late", [True, False])
async def test_whatever_the_order_a_tombstone_wins(
    transcripts: Path, operator: Bus, kept: Archive, database: str, late: bool
) -> None:
    write(transcripts / "secret.jsonl", "secret")
    await captured(operator, transcripts)
    events = [event async for message in kept.messages([subjects.CHANGED]) if (event := decoded(message))]
    first = events[0]
    assert isinstance(first, TranscriptChanged)
    tombstone = TranscriptForgotten(first.transcript, first.source, first.session_id, "2026-08-02T10:00:00.000Z")
    batches: Sequence[Sequence[Event]] = [events, [tombstone]] if late else [[tombstone], events, events[:1]]
    async with connect(database) as store:
        for batch in batches:
            await store.store_transcripts(batch)
    counts = (
        "select (select count(*) from transcripts) + (select count(*) from segments) + (select count(*) from records)"
    )
    assert await kept.database.fetchval(counts) == 0
    assert await kept.forgotten() == {first.transcript}
