"""One question, answered."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from mnemostream.archive.find import fresh, fuse, hits, sides
from mnemostream.archive.find.answer import CannotSearch, Embed, Searched
from mnemostream.archive.find.fuse import Key, Scored
from mnemostream.archive.find.hits import Found
from mnemostream.archive.find.question import DEEPEST, Question
from mnemostream.archive.find.sides import Near, Pool
from mnemostream.runtime.lexical import literals
from mnemostream.runtime.secrets.scan import Scanner

PATIENCE = 1.5
"""Longest wait for an embedder, seconds, where words can answer; an import keeps it busy."""
ALONE_PATIENCE = 30.0
"""The same where only vectors can."""
LEAST_SIMILAR = 0.42
"""Cosine of the best chunk below which a query none of whose words occurs has found nothing: words that do not exist
reach 0.39, questions in other words than the text 0.44 and more."""


async def search(pool: Pool, embed: Embed, question: Question, scanner: Scanner | None = None) -> Searched:
    """The best sessions or exchanges, with secrets masked by a scanner. Raises CannotSearch, asyncpg errors.

    `pool` needs three connections to look at all sides at once.
    """
    if not question.query:
        return Searched(mode=_mode(question.mode), note="", hits=[], next=None)
    found, note = await sought(pool, embed, question)
    chosen = ranked(question, found)[:DEEPEST]
    page = chosen[question.offset : question.offset + question.limit]
    shown = await hits.shown(pool, question, page, found, scanner)
    more = question.offset + question.limit < len(chosen)
    mode = "words" if note and question.mode == "auto" else _mode(question.mode)
    return Searched(mode=mode, note=note, hits=shown, next=question.cursor() if more else None)


def _mode(mode: str) -> str:
    return "hybrid" if mode == "auto" else mode


async def sought(pool: Pool, embed: Embed, question: Question) -> tuple[Found, str]:
    """What each side finds, and why the vectors do not answer. Raises CannotSearch where nothing else can."""
    found, (near, note) = await asyncio.gather(_stored(pool, question), _near(pool, embed, question))
    return msgspec.structs.replace(found, near=near), note


async def _stored(pool: Pool, question: Question) -> Found:
    """What words and literals find. Rows without an index are read first: one that is indexed meanwhile is found twice,
    and never not at all."""
    words = await sides.lexemes(pool, question)
    unindexed = await fresh.unindexed(pool, question, words)
    literal = question.mode in ("auto", "exact")
    lexical, exact, titles = await asyncio.gather(
        sides.by_words(pool, question, words) if question.mode in ("auto", "words") else _nothing(),
        sides.by_literals(pool, question) if literal else _nothing(),
        sides.by_title(pool, question) if literal else _nothing(),
    )
    for key, fresher in unindexed.words.items():
        if key not in lexical or fresher.score > lexical[key].score:
            lexical[key] = fresher
    for key, held in unindexed.exact.items():
        exact.setdefault(key, held)
    return Found(words, lexical, {}, exact, titles, unindexed)


async def _nothing() -> dict[Key, Any]:
    return {}


async def _near(pool: Pool, embed: Embed, question: Question) -> tuple[dict[Key, Near], str]:
    if question.mode not in ("auto", "meaning") or question.role == "tool":
        return {}, ""
    alone = question.mode == "meaning"
    try:
        reply = await embed(question.query, ALONE_PATIENCE if alone else PATIENCE)
        return await sides.by_meaning(pool, question, reply), ""
    except CannotSearch as error:
        if alone:
            raise
        return {}, f"words only: {error}"


def ranked(question: Question, found: Found) -> list[Scored]:
    """Sessions or exchanges, best first. Pure."""
    meaning = {key: near.similarity for key, near in found.near.items()}
    exact = {key: held.score for key, held in found.exact.items()}
    for key, score in found.titles.items():
        exact[key] = exact.get(key, 0.0) + score
    occur = any(found.words.rows) or found.lexical or exact
    if not occur and max(meaning.values(), default=0.0) < LEAST_SIMILAR:
        meaning = {}
    code = any(literal != question.query or literals.code(literal) for literal in literals.literals(question.query))
    whole, within = sum(found.words.idf), found.words.within
    lexical = {key: one.score for key, one in found.lexical.items()}
    covered = max(lexical.values(), default=0.0) / whole if whole else 0.0
    share = fuse.weight(code=code, within=within, covered=covered) if meaning else 0.0
    exchanges = fuse.fused(lexical, meaning, exact, share)
    exchanges = [one for one in exchanges if one.session_id not in question.without]
    if question.by == "exchange":
        return fuse.by_exchange(exchanges)
    together = {} if code else fuse.together(exchanges, found.lexical, found.words.idf)
    return fuse.by_session(exchanges, together, fuse.TOGETHER_WITHIN if within else fuse.TOGETHER)
