"""Tombstones and newer parsers: facts in the log, applied in any order, kept by a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.copies import Archive, decoded
from archive.forget import forget, survey
from archive.proof.verify import Scope, verify
from archive.restore import find
from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Event, Stage
from contracts.sources import Root
from contracts.transcripts import Chunk, Kind, Record, RecordsEmbedded, TranscriptChanged, TranscriptForgotten
from local.nats_server import Nats
from runtime import streams
from runtime.bus import Bus, Message
from services.watcher import reparse
from services.watcher.formats import FORMATS
from services.writer.database import connect
from services.writer.rows import embeddable
from tests.conftest import ROOT, answer, jsonl, prompt
from tests.integration.conftest import Fill, captured, replayed
from tests.integration.test_proof import write


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


async def _apply_tombstones(bus: Bus, dsn: str) -> None:
    """What the writer does with a tombstone."""
    subscription = await bus.client.subscribe(subjects.FORGOTTEN)
    message = await subscription.next_msg(30)
    async with connect(dsn) as store:
        event = codec.decode(message.data)
        await store.store_transcripts([event])


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


async def test_a_better_parser_is_applied_to_the_archive_without_any_file(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = transcripts / "session.jsonl"
    lines = [{"type": "queue-operation", "operation": "enqueue", "content": "stop"}, prompt("q", "p1"), answer("a")]
    file.write_bytes(jsonl(*lines) * 3 + jsonl(prompt("last")))
    form = FORMATS["claude-code"]
    monkeypatch.setattr(type(form), "version", 1)
    real = type(form).records

    def older(*args):  # type: ignore[no-untyped-def]
        """A parser that knows no queue and gives another kind to prompts."""
        found, name = real(form, *args)
        return [
            msgspec.structs.replace(record, kind=Kind.INJECTED if record.kind is Kind.PROMPT else record.kind)
            for record in found
            if record.kind is not Kind.QUEUED
        ], name

    monkeypatch.setattr(form, "records", older, raising=False)
    await captured(operator, transcripts, segment=150)
    await replayed(nats, database)
    assert await _kinds(kept.database) == {"injected", "answer"}
    monkeypatch.undo()
    file.unlink()
    assert form.version > 1
    settings = reparse.Settings(nats_url=nats.url("operator"))
    told: list[reparse.Line] = []
    monkeypatch.setattr(reparse, "_say", told.append)
    await reparse.main(settings, asyncio.Event())
    assert (told[-1].done, told[-1].reparsed) == (1, 1)
    await replayed(nats, database)
    assert await _kinds(kept.database) == {"prompt", "queued", "answer"}
    reparsed = await _rows(kept.database)
    file.write_bytes(jsonl(*lines) * 3 + jsonl(prompt("last")))
    assert {row["parser"] for row in reparsed} == {form.version}
    assert len(reparsed) == 3 + 1 + 2  # three queued lines without an id; lines with one are one record each
    info = await operator.stream.stream_info(topology.TRANSCRIPTS.name)
    await reparse.main(settings, asyncio.Event())
    assert (await operator.stream.stream_info(topology.TRANSCRIPTS.name)).state.last_seq == info.state.last_seq
    report = await verify(kept, Scope([], True), lambda *_: None)
    assert report.equal, report.gaps


async def test_records_of_an_older_parser_that_come_late_do_not_return(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str
) -> None:
    write(transcripts / "s.jsonl", "s")
    await captured(operator, transcripts)
    events = [event async for message in kept.messages([subjects.CHANGED]) if (event := decoded(message))]
    old = [msgspec.structs.replace(event, parser=0) for event in events if isinstance(event, TranscriptChanged)]
    made = reparse._parsed(old)
    newer = reparse.RecordsReparsed(old[0].transcript, old[0].source, 0, made[1], 2, 0, made[0][:1])
    async with connect(database) as store:
        await store.store_transcripts([newer])
        await store.store_transcripts(old)
        await store.store_transcripts(old[2:])
    assert [row["record_id"] for row in await _rows(kept.database)] == [made[0][0].id]


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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), batch=st.integers(1, 6))
async def test_in_any_order_of_the_lanes_forget_takes_its_vectors_and_no_others(
    database: str, order: list[int], batch: int
) -> None:
    """A and B say the same; A is forgotten. Segments, vectors and the tombstone come in any order, in any batches."""
    lines = [prompt("the same words", "p"), answer("only here", name="x")]
    changes = [changed_by_hand("a", [lines[0], answer("only in a", name="y")]), changed_by_hand("b", lines)]
    tombstone = TranscriptForgotten("a", "claude-code", "a", "2026-08-02T10:00:00.000Z")
    vector = np.array([0.6, 0.8], dtype="<f4").tobytes()
    events: list[Event] = [*changes, *(embedded(change, vector) for change in changes), tombstone, changes[0]]
    connection = await asyncpg.connect(database)
    tables = "transcripts, segments, records, chunks, chunk_owners, forgotten, models, reparsed"
    await connection.execute(f"truncate {tables}")
    async with connect(database) as store:
        for start in range(0, len(order), batch):
            mixed = [events[number] for number in order[start : start + batch]]
            vectors = [event for event in mixed if isinstance(event, RecordsEmbedded)]
            await store.store_transcripts([event for event in mixed if not isinstance(event, RecordsEmbedded)])
            await store.store_vectors(vectors)
    kept = {row[0] for row in await connection.fetch("select text_sha from chunks")}
    texts = {row[0] for row in await connection.fetch("select text_sha from records where text_sha is not null")}
    await connection.close()
    assert kept == texts == {bytes.fromhex(codec.text_sha(text)) for text in ("the same words", "only here")}


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


async def test_a_replay_beside_a_live_forget_works(
    transcripts: Path, fill: Fill, kept: Archive, nats: Nats, database: str
) -> None:
    """Messages that are erased while the log is read are left out; nobody waits for them."""
    for number in range(30):
        write(transcripts / f"s{number}.jsonl", f"s{number}")
    await fill()
    stream = topology.TRANSCRIPTS.name
    last = (await kept.nats.stream.stream_info(stream)).state.last_seq
    seen = 0
    async with aclosing(streams.read(kept.nats, stream)) as messages:
        async for _ in messages:
            seen += 1
            if seen == 1:
                for sequence in range(last - 20, last + 1):
                    await kept.nats.stream.delete_msg(stream, sequence)
    assert last - 21 <= seen < last
    outcome = await replayed(nats, database)
    assert outcome.swapped
