"""The sides of a search, each a question to the database: words, meaning, literals."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from mnemostream.archive import queries
from mnemostream.archive.find.fuse import Key, Lexical
from mnemostream.archive.find.question import Question
from mnemostream.contracts.requests import EmbedReply
from mnemostream.contracts.transcripts import Kind
from mnemostream.runtime.lexical import literals, terms
from mnemostream.runtime.lexical.texts import ASIDES, ASSISTANTS, CALLS, YOURS

FIELDS = (1.0, 0.6, 0.1, 1.0)
"""Weights of the fields of `words`: what was said, inputs of tools, thinking, titles."""
HOLDING = 5_000
"""Rows that are looked at because they hold a word of the query: those of the rarest words first."""
WIDER = 4
"""So many times more of them with filters, which leave only some."""
CANDIDATES = 300
"""Exchanges that are scored: those that promise most by which of these words they hold, and how long they are."""
FEW = 5000
"""Rows that pass the filters among which words are counted: rare is what is rare there."""
NEAREST = 400
"""Chunks of which the exchanges are taken."""
EVERYWHERE = 50
"""Exchanges that may hold a literal: what is in more of them tells nothing."""
LABELS = {"you": ":A", "assistant": ":B"}
"""Of what each role has said, as a tsquery asks for it. Rows that hold a word said by another are no candidates."""
KINDS: dict[str | None, list[str]] = {
    "you": sorted(YOURS),
    "assistant": sorted({*ASSISTANTS, *ASIDES}),
    "tool": sorted({*CALLS, Kind.TOOL_RESULT, Kind.LOCAL_OUTPUT}),
}
"""Kinds of records, by role."""
WHOLE = 1.2
"""What the whole query is worth, found literally, against a part of it."""
MOST_EXACT = 500
"""Exchanges in mode `exact`."""
EXACT_SECONDS = 1.0

Pool = Any
"""asyncpg.Pool, whose type takes an argument only for type checkers."""


class Words(msgspec.Struct, frozen=True):
    """The words of a query: lexemes, with how rare they are."""

    lexemes: Sequence[str]
    idf: Sequence[float]
    rows: Sequence[int]
    """How many have each; 0 for one that was not counted."""
    average: Sequence[float]
    """Positions of a row on average, by field."""
    within: bool
    """True if they were counted among the rows that pass the filters, False in the whole archive."""


async def lexemes(pool: Pool, question: Question) -> Words:
    """Looks up the words of a query."""
    text = terms.extended(question.query)
    async with pool.acquire() as connection:
        if question.filtered and (
            few := await connection.fetch(*filtered("find_lexemes_within", question, (text, FEW)))
        ):
            return _words(few, sum(few[0]["totals"]), few[0]["average"], within=True)
        found = await connection.fetch(queries.read("find_lexemes"), text)
        totals = await connection.fetch("select field, rows, len from word_totals")
    length = {row["field"]: row["len"] for row in totals}
    average = [length.get(n, 1.0) for n in range(len(FIELDS))]
    return _words(found, sum(row["rows"] for row in totals), average, within=False)


def _words(found: Sequence[asyncpg.Record], total: int, average: Sequence[float], *, within: bool) -> Words:
    rows = [row["rows"] for row in found]
    idf = [math.log(1 + (max(total, n) - n + 0.5) / (n + 0.5)) for n in (max(1, n) for n in rows)]
    return Words([row["lexeme"] for row in found], idf, rows, [max(1.0, length) for length in average], within)


def quoted(lexeme: str) -> str:
    """As a tsquery."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def rarest(words: Words, budget: int) -> list[tuple[str, float]]:
    """Lexemes whose rows are looked at, with their idf: the rarest first, held by about as many rows as the budget."""
    chosen: list[tuple[str, float]] = []
    for rows, lexeme, idf in sorted(zip(words.rows, words.lexemes, words.idf, strict=True)):
        if chosen and rows > budget:
            break
        chosen.append((lexeme, idf))
        budget -= rows
    return chosen


async def by_words(pool: Pool, question: Question, words: Words) -> dict[Key, Lexical]:
    """Scores by words."""
    if not words.lexemes:
        return {}
    label = LABELS.get(question.role or "", "")
    every = " | ".join(quoted(lexeme) + label for lexeme in words.lexemes)
    most = HOLDING * (WIDER if question.filtered else 1)
    chosen = [(every, 1.0)] if words.within else [(quoted(each) + label, idf) for each, idf in rarest(words, most)]
    fields = [0.0, FIELDS[1], 0.0, 0.0] if question.role == "tool" else list(FIELDS)
    if question.role in ("you", "assistant"):
        fields = [FIELDS[0], 0.0, FIELDS[2] if question.role == "assistant" else 0.0, 0.0]
    args = (
        [quoted(lexeme) for lexeme in words.lexemes],
        list(words.idf),
        [query for query, _ in chosen],
        list(words.average),
        fields,
        [float(not label or each in label) for each in "DCBA"],
        [idf for _, idf in chosen],
        FEW if words.within else 2 * most,
        FEW if words.within else CANDIDATES,
    )
    async with pool.acquire() as connection:
        rows = await connection.fetch(*filtered("find_words", question, args))
    return {(row["exchange_id"], row["session_id"]): Lexical(row["score"], _parts(row, fields)) for row in rows}


def _parts(row: asyncpg.Record, weights: Sequence[float]) -> list[float]:
    """What each word gives to an exchange, in the field that gives most."""
    each = [[weights[field] * part for part in parts] for field, parts in zip(row["fields"], row["parts"], strict=True)]
    return [max(parts) for parts in zip(*each, strict=True)]


class Near(msgspec.Struct, frozen=True):
    """The chunk that is nearest to a query, of one exchange."""

    similarity: float
    text_sha: bytes
    begin: int
    stop: int


async def by_meaning(pool: Pool, question: Question, reply: EmbedReply) -> dict[Key, Near]:
    """Nearest chunks by exchange."""
    vector = "[" + ",".join(repr(float(x)) for x in memoryview(reply.vector).cast("f")) + "]"
    args = (vector, reply.model, NEAREST, KINDS.get(question.role))
    async with pool.acquire() as connection:
        rows = await connection.fetch(*filtered("find_near", question, args))
    return {
        (r["exchange_id"], r["session_id"]): Near(r["similarity"], r["text_sha"], r["begin_char"], r["stop_char"])
        for r in rows
    }


class Place(msgspec.Struct, frozen=True):
    """One record."""

    transcript_id: str
    generation: int
    record_id: str
    block: int
    part: int


class Literal(msgspec.Struct):
    """How often literals of the query were found in an exchange, and where first."""

    score: float
    place: Place
    text: str


async def by_literals(pool: Pool, question: Question) -> dict[Key, Literal]:
    """Exchanges that hold a literal of the query, and sessions that have it as their title. In mode `exact` only the
    whole query counts, however common it is."""
    alone = question.mode == "exact"
    wanted = [question.query] if alone else literals.literals(question.query)
    score: defaultdict[Key, float] = defaultdict(float)
    first: dict[Key, Literal] = {}
    for literal in filter(None, wanted):
        for row in await _holding(pool, question, literal, alone):
            key = row["exchange_id"], row["session_id"]
            score[key] += (WHOLE if literal == question.query else 1.0) * _worth(row)
            place = Place(*(row[name] for name in Place.__struct_fields__))
            first.setdefault(key, Literal(0.0, place, literal))
    for key, found in first.items():
        found.score = score[key]
    return first


def _worth(row: asyncpg.Record) -> float:
    """What was said is worth more than what a tool was given or has printed; a name more than a part of one."""
    return float((1 - 0.1 * row["depth"]) * (1 + 0.4 * row["alone"]))


async def _holding(pool: Pool, question: Question, literal: str, alone: bool) -> list[asyncpg.Record]:
    """Exchanges that hold a literal by itself, or else as a part of a longer name; none where too many do."""
    escaped = msgspec.json.encode(literal).decode()[1:-1]
    pattern = re.sub(r"([^\w\s])", r"\\\1", literal)
    most = MOST_EXACT if alone else EVERYWHERE + 1
    kinds = KINDS.get(question.role)
    inside = [] if " " in literal else terms.within(literal)  # words of prose would make candidates of everything
    async with pool.acquire() as connection:
        for hashes in filter(None, (terms.wanted(literal), inside)):
            few = filtered("find_exact_few", question, (hashes, literal, escaped, kinds, most))
            try:
                names = [row[0] for row in await connection.fetch(*few, timeout=EXACT_SECONDS)]
                if names and (alone or len(names) <= EVERYWHERE):
                    args = (hashes, literal, escaped, kinds, names, pattern)
                    return list(await connection.fetch(queries.read("find_exact"), *args, timeout=EXACT_SECONDS))
            except (TimeoutError, asyncpg.QueryCanceledError):
                return []
            if names:
                return []
    return []


async def by_title(pool: Pool, question: Question) -> dict[Key, float]:
    """Sessions whose title is the query."""
    if question.role:
        return {}
    async with pool.acquire() as connection:
        rows = await connection.fetch(*filtered("find_titles", question, (question.query,)))
    return {(row["exchange_id"], row["session_id"]): WHOLE for row in rows}


def filtered(name: str, question: Question, args: Sequence[Any]) -> tuple[Any, ...]:
    """The text of a query and its arguments, with the filters of the question if it has any."""
    text = queries.read(name)
    if not question.filtered:
        return text.replace("{allowed}", "").replace("w.{among}", "true").replace("{among}", "true"), *args
    first = len(args) + 1
    allowed = re.sub(r"\$(\d)", lambda match: f"${first + int(match[1]) - 1}", queries.read("find_allowed"))
    more = (
        question.project and question.project.lower(),
        question.assistant,
        question.since,
        question.until,
        question.tool,
        question.file,
        question.session,
    )
    among = "exchange_id in (select a.exchange_id from allowed a)"
    return text.replace("{allowed}", f"allowed as materialized ({allowed}),").replace("{among}", among), *args, *more
