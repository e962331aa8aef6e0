"""What the writer's role may do on a real PostgreSQL, and which vectors come through its door."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemostream.contracts.transcripts import RecordsEmbedded, TranscriptForgotten
from mnemostream.local.secrets import Secrets
from mnemostream.runtime.errors import Permanent
from mnemostream.services.writer import vectors
from mnemostream.services.writer.database import Database, connect
from tests.conftest import answer, prompt
from tests.integration.forgetting import changed_by_hand, embedded

RIGHT = np.array([0.6, 0.8], dtype="<f4").tobytes()
LATER = np.array([0.8, 0.6], dtype="<f4").tobytes()


SEGMENT = changed_by_hand("a", [prompt("q", "p"), answer("a", name="x")])


def as_writer(owner: str, folder: Path) -> str:
    return owner.replace("postgres:", "mnemo_writer:").replace(Secrets.of(folder).owner, Secrets.of(folder).writer)


@pytest.fixture
async def writer(database: str, folder: Path) -> AsyncIterator[Database]:
    async with connect(as_writer(database, folder)) as store:
        yield store


REFUSED = [
    "update segments set data = ''",
    "update segments set sha256 = ''",
    "update segments set end_offset = end_offset - 1",
    "update segments set generation = 7",
    "delete from segments",
    "truncate segments",
    "alter table segments disable trigger all",
    "drop trigger guard_segments on segments",
    "drop function public.guard_segments() cascade",
    "update transcripts set path = 'x'",
    "update forgotten set session_id = 'x'",
    "delete from migrations",
    "insert into migrations values ('x', 'y')",
    "update migrations set sha256 = 'x'",
    "insert into announced_models values ('evil')",
    "set session_replication_role = replica",
    "create table public.evil (x int)",
]


async def test_the_writer_changes_no_segment_and_no_migration(database: str, folder: Path, writer: Database) -> None:
    await writer.store_transcripts([SEGMENT])
    connection = await asyncpg.connect(as_writer(database, folder))
    before = await connection.fetch("select * from segments")
    for statement in REFUSED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert before == await connection.fetch("select * from segments")
    await connection.close()


async def test_what_the_log_says_is_stored_all_the_same(writer: Database, database: str, folder: Path) -> None:
    """The longer of two segments that begin alike stays; a tombstone takes them."""
    whole, short = SEGMENT, msgspec.structs.replace(SEGMENT, end=SEGMENT.end - 1)
    connection = await asyncpg.connect(as_writer(database, folder))
    for events in ([short], [whole], [short]):
        await writer.store_transcripts(events)
    assert await connection.fetchval("select end_offset from segments") == whole.end
    await writer.store_transcripts([TranscriptForgotten("a", "claude-code", "a", "2026-08-02T10:00:00.000Z")])
    assert await connection.fetchval("select count(*) from segments") == 0
    await connection.close()


def event(**more: object) -> RecordsEmbedded:
    (first, _) = embedded(SEGMENT, RIGHT).chunks
    return msgspec.structs.replace(embedded(SEGMENT, RIGHT), **{"chunks": [first], **more})


BAD = {
    "three bytes": RIGHT[:3],
    "nothing": b"",
    "another length": RIGHT * 2,
    "not a number": np.array([math.nan, 1], dtype="<f4").tobytes(),
    "infinite": np.array([math.inf, 0], dtype="<f4").tobytes(),
    "huge": np.array([-1e30, 0], dtype="<f4").tobytes(),
    "zero": np.array([0, 0], dtype="<f4").tobytes(),
    "too short": np.array([0.6, 0.7], dtype="<f4").tobytes(),
}


async def test_a_vector_that_is_none_costs_its_message_alone(writer: Database) -> None:
    (chunk,) = event().chunks
    for vector in BAD.values():
        bad = event(chunks=[msgspec.structs.replace(chunk, vector=vector)])
        with pytest.raises(Permanent, match="a vector has"):
            await writer.store_vectors([bad])
        await writer.store_vectors([event()])


async def test_models_that_nobody_announced_are_not_stored(writer: Database) -> None:
    for number in range(300):
        with pytest.raises(Permanent, match="not announced"):
            await writer.store_vectors([event(model=f"evil:{number}", model_name=f"evil {number}")])
    for number in range(vectors.MOST_FINGERPRINTS):
        await writer.store_vectors([event(model=f"m:{number}")])
    with pytest.raises(Permanent, match="models named m already"):
        await writer.store_vectors([event(model="m:99")])
    with pytest.raises(Permanent, match="dimensions"):
        await writer.store_vectors([event(model="m:0", dimensions=3)])


async def test_a_better_vector_replaces_a_wrong_one_and_no_future_is_taken(writer: Database, database: str) -> None:
    smallest = np.array([-1, 0], dtype="<f4").tobytes()
    (chunk,) = event().chunks
    wrong = event(chunks=[msgspec.structs.replace(chunk, vector=smallest)])
    await writer.store_vectors([wrong])
    await writer.store_vectors([event()])
    assert await _vectors(database) == [[-1, 0]]
    await writer.store_vectors([event(revision=5)])
    await writer.store_vectors([wrong])
    assert await _vectors(database) == [pytest.approx([0.6, 0.8], abs=1e-3)]
    with pytest.raises(Permanent, match="future"):
        await writer.store_vectors([msgspec.structs.replace(wrong, revision=1 << 60)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), batch=st.integers(1, 5))
async def test_in_any_order_the_highest_revision_holds_whole(
    writer: Database, database: str, order: list[int], batch: int
) -> None:
    """Revision 7 has one chunk, the others two: none of theirs stays beside it."""
    (chunk,) = event().chunks
    second = msgspec.structs.replace(chunk, chunk=1, vector=LATER)
    events = [
        event(chunks=[chunk]),
        event(chunks=[second]),
        event(revision=3, chunks=[chunk, second]),
        event(revision=7, chunks=[msgspec.structs.replace(chunk, vector=LATER)]),
        event(revision=3, chunks=[second]),
    ]
    connection = await asyncpg.connect(database)
    await connection.execute("truncate chunks, chunk_owners, models")
    await connection.close()
    mixed = [events[number] for number in order]
    for start in range(0, len(mixed), batch):
        await writer.store_vectors(mixed[start : start + batch])
    assert await _vectors(database) == [pytest.approx([0.8, 0.6], abs=1e-3)]


async def _vectors(database: str) -> list[list[float]]:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("select embedding::text as e from chunks order by chunk")
    await connection.close()
    return [list(map(float, row["e"].strip("[]").split(","))) for row in rows]
