"""Tombstones and newer parsers: facts in the log, applied in any order, kept by a replay."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemostream.archive.copies import Archive, decoded
from mnemostream.archive.proof.verify import Scope, verify
from mnemostream.cli import examine
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Event
from mnemostream.contracts.requests import ReparseProgress
from mnemostream.contracts.transcripts import Kind, RecordsEmbedded, TranscriptChanged, TranscriptForgotten
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus
from mnemostream.services.watcher import reparse
from mnemostream.services.watcher.formats import FORMATS
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from mnemostream.services.writer.database import connect
from tests.conftest import answer, jsonl, prompt
from tests.integration.conftest import Fill, captured, replayed
from tests.integration.forgetting import _kinds, _rows, changed_by_hand, embedded
from tests.integration.proving import write


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
    assert await _older(kept) == 1
    settings = reparse.Settings(nats_url=nats.url("operator"))
    told: list[ReparseProgress] = []
    monkeypatch.setattr(reparse, "_say", told.append)
    await reparse.main(settings, asyncio.Event())
    assert (told[-1].done, told[-1].reparsed) == (1, 1)
    await replayed(nats, database)
    assert await _kinds(kept.database) == {"prompt", "queued", "answer"}
    assert await _older(kept) == 0
    reparsed = await _rows(kept.database)
    file.write_bytes(jsonl(*lines) * 3 + jsonl(prompt("last")))
    assert {row["parser"] for row in reparsed} == {form.version}
    assert len(reparsed) == 3 + 1 + 2  # three queued lines without an id; lines with one are one record each
    info = await operator.stream.stream_info(topology.TRANSCRIPTS.name)
    await reparse.main(settings, asyncio.Event())
    assert (await operator.stream.stream_info(topology.TRANSCRIPTS.name)).state.last_seq == info.state.last_seq
    report = await verify(kept, Scope([], True), lambda *_: None)
    assert report.equal, report.gaps


async def _older(kept: Archive) -> int:
    """Transcripts that an older parser has read, as `mnemo doctor` names them."""
    (check,) = await examine.reading(kept.database)
    return int(check.words.split()[0]) if "older parser" in check.words else 0


async def test_doctor_names_what_nobody_knows_of_an_author_how_often_and_in_which_version(
    transcripts: Path, fill: Fill, kept: Archive
) -> None:
    strange = {"origin": {"kind": "hologram"}, "version": "9.1"}
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("a", "p1", **strange), prompt("b", "p2", **strange)))
    await fill()
    (check,) = await examine.reading(kept.database)
    assert "origin.kind=hologram@9.1 (2 times)" in check.words


async def test_records_of_an_older_parser_that_come_late_do_not_return(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str
) -> None:
    write(transcripts / "s.jsonl", "s")
    await captured(operator, transcripts)
    events = [event async for message in kept.messages([subjects.CHANGED]) if (event := decoded(message))]
    old = [msgspec.structs.replace(event, parser=0) for event in events if isinstance(event, TranscriptChanged)]
    made = reparse._parsed([(event, event.end) for event in old], Secrecy())
    newer = reparse.RecordsReparsed(old[0].transcript, old[0].source, 0, made[2], 2, 0, made[0][:1])
    async with connect(database) as store:
        await store.store_transcripts([newer])
        await store.store_transcripts(old)
        await store.store_transcripts(old[2:])
    assert [row["record_id"] for row in await _rows(kept.database)] == [made[0][0].id]


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
