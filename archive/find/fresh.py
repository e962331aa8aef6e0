"""Rows that are not indexed yet: what is being written now, and the newest of an import. They are read as they are."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from mnemostream.archive import queries
from mnemostream.archive.find import sides
from mnemostream.archive.find.fuse import Key, Lexical
from mnemostream.archive.find.question import Question
from mnemostream.archive.find.sides import Literal, Place, Pool, Words
from mnemostream.contracts.transcripts import Kind
from mnemostream.runtime.lexical import literals, terms
from mnemostream.runtime.lexical.texts import ASIDES, ASSISTANTS, CALLS, YOURS

MOST_MARKS, MOST_CHARS = 64, 100_000
"""What is read of it, newest first: it is read by each search."""


class Unindexed(msgspec.Struct):
    """What was found there."""

    words: dict[Key, Lexical]
    exact: dict[Key, Literal]
    facts: dict[str, dict[str, Any]]
    """Of exchanges that are not in the index at all: source, project, started_at."""
    places: dict[str, Place]
    """The record of each exchange that holds most of the query."""


async def unindexed(pool: Pool, question: Question, words: Words) -> Unindexed:
    """Searches the newest rows that have no index yet."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(*sides.filtered("find_fresh", _plain(question), (MOST_MARKS, MOST_CHARS)))
        rows = [row for row in rows if _passes(question, row)]
        found = Unindexed({}, {}, {}, {})
        if rows:
            await _score(connection, question, words, rows, found)
        return found


def _plain(question: Question) -> Question:
    """Without filters: they are applied to the rows."""
    return Question(text=question.text)


def _passes(question: Question, row: asyncpg.Record) -> bool:
    kinds = sides.KINDS.get(question.role)
    when = row["occurred_at"]
    checks = (
        kinds is None or row["kind"] in kinds,
        question.project is None or question.project.lower() in row["cwd"].lower(),
        question.assistant in (None, row["source"]),
        question.session is None or row["session_id"].startswith(question.session),
        question.tool is None or row["tool"].lower() == question.tool.lower(),
        question.file is None or question.file in row["tool_input"],
        question.since is None or (when is not None and when >= question.since),
        question.until is None or (when is not None and when < question.until),
    )
    return all(checks)


def _field(kind: str) -> int | None:
    if kind in YOURS or kind in ASSISTANTS:
        return 0
    return 1 if kind in CALLS else 2 if kind in ASIDES else 3 if kind == Kind.TITLE else None


async def _score(
    connection: asyncpg.Connection, question: Question, words: Words, rows: list[asyncpg.Record], found: Unindexed
) -> None:
    """Each record by itself: the best of an exchange counts."""
    wanted = [] if question.mode not in ("auto", "exact") else literals.literals(question.query)
    if question.mode == "exact":
        wanted = [question.query]
    texts, kept = [], []
    for row in rows:
        place = Place(*(row[name] for name in Place.__struct_fields__))
        key = row["exchange_id"], row["session_id"]
        known = found.facts.setdefault(row["exchange_id"], dict(row))
        known["project"] = known["project"] or row["cwd"]
        held = [text for text in wanted if text in row["body"] or text in row["tool_input"] or text == row["tool"]]
        if held and (key not in found.exact or len(held) > found.exact[key].score):
            found.exact[key] = Literal(float(len(held)), place, held[0])
        if (field := _field(row["kind"])) is not None and words.lexemes and question.mode in ("auto", "words"):
            texts.append(terms.extended(f"{row['tool']} {row['body']} {row['tool_input']}"))
            kept.append((key, field, place))
    if not texts:
        return
    args = texts, [sides.quoted(lexeme) for lexeme in words.lexemes], list(words.idf)
    for row in await connection.fetch(queries.read("find_score"), *args):
        key, field, place = kept[row["n"] - 1]
        weight = sides.FIELDS[field]
        score = weight * row["score"] / (0.6 + 0.4 * row["len"] / words.average[field])
        if key not in found.words or score > found.words[key].score:
            found.words[key] = Lexical(score, [weight * part for part in row["parts"]])
            found.places[key[0]] = place
