"""Ranked exchanges to what people read: title, place, snippet, command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from mnemostream.archive import queries, sessions
from mnemostream.archive.find import snippets, surroundings
from mnemostream.archive.find.answer import Hit
from mnemostream.archive.find.fresh import Unindexed
from mnemostream.archive.find.fuse import Key, Lexical, Scored
from mnemostream.archive.find.question import Question
from mnemostream.archive.find.sides import KINDS, Literal, Near, Place, Pool, Words
from mnemostream.contracts.http.search import Entry
from mnemostream.runtime.lexical import terms
from mnemostream.runtime.secrets.mask import without_halves
from mnemostream.runtime.secrets.scan import Scanner

WHERE = {
    "answer": "answer",
    "thinking": "thinking",
    "tool_call": "tool input",
    "subagent_call": "tool input",
    "tool_result": "tool output",
    "local_output": "tool output",
    "subagent_prompt": "sub-agent",
    "subagent_answer": "sub-agent",
}
"""Kinds of records in words; others are named as they are."""
PROMPT_CHARS = 2000
"""Characters of a first prompt in find_facts.sql."""


class Found(msgspec.Struct):
    """What the sides have found."""

    words: Words
    lexical: dict[Key, Lexical]
    near: Mapping[Key, Near]
    exact: dict[Key, Literal]
    titles: Mapping[Key, float]
    unindexed: Unindexed


Placed = tuple[
    dict[str, Place], dict[Place, asyncpg.Record], Mapping[surroundings.Offset, int], Mapping[Place, list[Entry]]
]


class Shown(msgspec.Struct, frozen=True):
    """What one hit shows."""

    query: str
    fact: Mapping[str, Any]
    record: asyncpg.Record
    line: int | None
    around: list[Entry]


async def shown(
    pool: Pool, question: Question, page: Sequence[Scored], found: Found, scanner: Scanner | None
) -> list[Hit]:
    """Hits of one page."""
    if not page:
        return []
    facts, (places, records, numbers, around) = await asyncio.gather(
        _facts(pool, page), _placed(pool, question, page, found)
    )
    hits = []
    for one in page:
        fact = facts.get((one.exchange_id, one.session_id)) or found.unindexed.facts.get(one.exchange_id)
        record = records.get(places[one.exchange_id]) if one.exchange_id in places else None
        if fact is not None and record is not None:  # forgotten between two questions otherwise
            number = numbers.get((record["transcript_id"], record["generation"], record["byte_offset"]))
            shows = Shown(question.query, fact, record, number, around.get(places[one.exchange_id], []))
            hits.append(_hit(one, found, shows, scanner))
    return hits


async def _placed(
    pool: Pool, question: Question, page: Sequence[Scored], found: Found
) -> tuple[
    dict[str, Place], dict[Place, asyncpg.Record], Mapping[surroundings.Offset, int], Mapping[Place, list[Entry]]
]:
    """The record of each hit, with the numbers of their lines and what is around them where that is asked for."""
    async with pool.acquire() as connection:
        places = await _places(connection, question, page, found)
        records = await _records(connection, places.values())
        rows = records.values() if question.lines else ()
        offsets = [(row["transcript_id"], row["generation"], row["byte_offset"]) for row in rows]
        numbers = await surroundings.numbers(connection, offsets)
        return places, records, numbers, await surroundings.entries(connection, records, question.context)


async def _places(
    connection: asyncpg.Connection, question: Question, page: Sequence[Scored], found: Found
) -> dict[str, Place]:
    """The record of each exchange that is shown: of its strongest side."""
    places: dict[str, Place] = {}
    chunks: dict[str, bytes] = {}
    for one in page:
        key = one.exchange_id, one.session_id
        if key in found.exact and one.exact:
            places[one.exchange_id] = found.exact[key].place
        elif one.meaning > one.words and key in found.near:
            chunks[one.exchange_id] = found.near[key].text_sha
        elif one.exchange_id in found.unindexed.places:
            places[one.exchange_id] = found.unindexed.places[one.exchange_id]
    if chunks:
        rows = await connection.fetch(queries.read("find_chunks"), list(chunks), list(chunks.values()))
        places |= _by_exchange(rows)
    if rest := [one.exchange_id for one in page if one.exchange_id not in places]:
        hashes, idf = _weighed(question, found.words)
        rows = await connection.fetch(queries.read("find_places"), rest, hashes, idf, KINDS.get(question.role))
        places |= _by_exchange(rows)
    if rest := [one.exchange_id for one in page if one.exchange_id not in places]:
        places |= _by_exchange(await connection.fetch(queries.read("find_openers"), rest))
    return places


def _by_exchange(rows: Iterable[asyncpg.Record]) -> dict[str, Place]:
    return {row["exchange_id"]: Place(*(row[name] for name in Place.__struct_fields__)) for row in rows}


def _weighed(question: Question, words: Words) -> tuple[list[int], list[float]]:
    """Hashes of the query's words, each as heavy as the lexeme that it begins with or resembles."""
    weights: dict[int, float] = {}
    for token in terms.TOKEN.findall(question.query.lower()):
        near = [idf for lexeme, idf in zip(words.lexemes, words.idf, strict=True) if token[:4] == lexeme[:4]]
        if near:
            weights[terms.hashes([token])[0]] = max(near)
    return list(weights), list(weights.values())


async def _records(connection: asyncpg.Connection, places: Iterable[Place]) -> dict[Place, asyncpg.Record]:
    keys = list(zip(*(msgspec.structs.astuple(place) for place in places), strict=True))
    if not keys:
        return {}
    rows = await connection.fetch(queries.read("find_records"), *map(list, keys))
    return {Place(*(row[name] for name in Place.__struct_fields__)): row for row in rows}


async def _facts(pool: Pool, page: Sequence[Scored]) -> dict[Key, dict[str, Any]]:
    keys = [one.exchange_id for one in page], [one.session_id for one in page]
    async with pool.acquire() as connection:
        rows = await connection.fetch(queries.read("find_facts"), *keys)
    return {(row["exchange_id"], row["session_id"]): dict(row) for row in rows}


def _hit(one: Scored, found: Found, shown_as: Shown, scanner: Scanner | None) -> Hit:
    fact, record = shown_as.fact, shown_as.record
    prompt = fact.get("first_prompt") or ""
    title = fact.get("title") or without_halves(prompt, end=len(prompt) >= PROMPT_CHARS).strip().partition("\n")[0]
    key = one.exchange_id, one.session_id
    literal = found.exact[key].text if key in found.exact else ""
    near = found.near.get(key)
    begin = near.begin if near and one.meaning > one.words else None
    why = snippets.Why(shown_as.query, literal, found.words.lexemes, begin)
    snippet, marks = snippets.of(_text(record, literal), why, scanner)
    argv = sessions.command(fact["source"], one.session_id)
    return Hit(
        session_id=one.session_id,
        exchange_id=one.exchange_id,
        title=title,
        assistant=fact["source"],
        project=fact["project"] or "",
        started_at=fact["started_at"],
        score=round(one.score, 4),
        why=one.why,
        where=WHERE.get(record["kind"], record["kind"].replace("_", " ")),
        tool="" if record["kind"] == "tool_result" else record["tool"],
        snippet=snippet,
        marks=marks,
        transcript_id=record["transcript_id"],
        generation=record["generation"],
        offset=record["byte_offset"],
        line=shown_as.line,
        resume=sessions.shell(argv, fact["project"] or "") if argv else "",
        context=shown_as.around,
    )


def _text(record: asyncpg.Record, literal: str) -> str:
    """What of a record holds the literal, or what it says."""
    body, given = record["body"], record["tool_input"]
    if not body or (literal and literal not in body and given):
        return str(given)
    return str(body)
