"""The list of sessions is what the records say, whatever is stored, in whatever order, by whomever."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import Kind, Record, RecordsReparsed, TranscriptChanged, TranscriptForgotten
from mnemostream.services.writer.database import connect
from tests.conftest import answer, jsonl, prompt
from tests.integration.conftest import Fill
from tests.integration.forgetting import changed_by_hand

LISTS = {
    "sessions": "source, session_id, exchanges, started_at, ended_at, project",
    "session_projects": "source, session_id, project, exchanges, ended_at",
}
TABLES = "transcripts, segments, records, reparsed, forgotten, sessions, session_projects"


RECENT = """
with newest as (
    select r.exchange_id, max(r.occurred_at) as at, count(*) over () as total
    from records r join transcripts t using (transcript_id)
    where (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null) and r.exchange_id is not null
      and t.source <> 'canary' and not t.subagent
    group by r.exchange_id)
select c.exchange_id, n.total from newest n join exchanges c using (exchange_id)
order by n.at desc nulls last, c.exchange_id
"""
"""What recent.sql lists, said in a way that reads the whole archive."""
PAGES = (files("mnemostream.services.health.observe") / "sql" / "recent.sql").read_text()


async def differences(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Rows of the tables that the views do not have, and the other way round."""
    found: list[asyncpg.Record] = []
    for table, columns in LISTS.items():
        kept, facts = f"select {columns} from {table}", f"select {columns} from {table}_facts"
        found += await connection.fetch(f"({kept} except {facts}) union all ({facts} except {kept})")
    return found


def piece(name: str, session: str, start: int, records: list[Record], **more: object) -> TranscriptChanged:
    made = changed_by_hand(name, [prompt("q"), answer("a")])
    facts = {"session_id": session, "start": start, "end": start + 10, "records": records, **more}
    return msgspec.structs.replace(made, **facts)


def said(name: str, at: int, minute: int, kind: Kind = Kind.PROMPT, **more: object) -> Record:
    exchange = str(more.pop("exchange_id", name))
    moment = f"2026-08-02T10:{minute:02}:00.000Z" if minute else ""
    return Record(name, kind, at, text="words", timestamp=moment, cwd=f"/p{minute % 3}", exchange_id=exchange, **more)  # type: ignore[arg-type]


EVENTS: list[Event] = [
    piece("a", "s", 0, [said("a1", 0, 1), said("a2", 5, 2, Kind.ANSWER, exchange_id="a1")]),
    piece("a", "s", 10, [said("a3", 10, 9), said("a4", 15, 3), said("a5", 18, 0)]),
    piece("a", "s", 10, [said("a4", 15, 3, Kind.INJECTED, revision=2)], end=25),
    piece("b", "s", 0, [said("b1", 0, 5)], subagent=True),
    piece("c", "s", 0, [said("c1", 0, 7, copy_key="k"), said("a1", 5, 1)]),
    piece("d", "t", 0, [said("d1", 0, 4, Kind.ANSWER, copy_key="k", exchange_id="d1")]),
    piece("d", "t", 10, [said("d2", 10, 8, Kind.ANSWER, exchange_id="d1")]),
    RecordsReparsed("a", "claude-code", 0, 20, 99, 0, [said("a3", 10, 9, Kind.COMMAND)]),
    RecordsReparsed("d", "claude-code", 0, 20, 99, 0, [said("d3", 0, 6)]),
    TranscriptForgotten("b", "claude-code", "s", "2026-08-02T10:00:00.000Z"),
    TranscriptForgotten("c", "", "", "2026-08-02T10:00:00.000Z"),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(EVENTS))), batch=st.integers(1, 4), most=st.integers(3, len(EVENTS)))
async def test_after_every_batch_the_list_is_what_the_records_say(
    database: str, order: list[int], batch: int, most: int
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(f"truncate {TABLES}")
    async with connect(database) as store:
        for start in range(0, most, batch):
            await store.store_transcripts([EVENTS[number] for number in order[start : min(most, start + batch)]])
            assert await differences(connection) == []
    expected = [tuple(row) for row in await connection.fetch(RECENT)]
    found = [row for at in range(4) for row in await connection.fetch(PAGES, 2, 2 * at, True)]
    assert [(row["exchange_id"], row["total"]) for row in found] == expected
    await connection.close()


async def test_two_writers_that_store_one_session_at_once_miss_nothing_of_each_other(database: str) -> None:
    connection = await asyncpg.connect(database)
    async with connect(database) as one, connect(database) as other:
        for turn in range(40):
            batches: list[list[Event]] = [
                [
                    piece(f"{name}{number}", f"s{number}", 10 * turn, [said(f"{name}{number}-{turn}", turn, turn)])
                    for number in numbers
                ]
                for name, numbers in (("main", range(5)), ("sub", range(4, -1, -1)))
            ]
            await asyncio.gather(*(store.store_transcripts(b) for store, b in zip((one, other), batches, strict=True)))
            assert await differences(connection) == []
    assert await connection.fetchval("select sum(exchanges) from sessions") == 2 * 5 * 40
    await connection.close()


async def test_a_replay_makes_the_list_anew(transcripts: Path, fill: Fill, database: str) -> None:
    for number in range(4):
        lines = [prompt(f"q{number}", f"p{number}", cwd=f"/p{number}"), answer("a", name=f"x{number}")]
        (transcripts / f"s{number}.jsonl").write_bytes(jsonl(*lines))
    await fill()
    connection = await asyncpg.connect(database)
    assert await differences(connection) == []
    assert await connection.fetchval("select count(*) from sessions") == 4
    await connection.execute("update sessions set exchanges = 7")
    await connection.execute("delete from session_projects")
    await fill()
    assert await differences(connection) == []
    await connection.close()
