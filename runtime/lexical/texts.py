"""Records of one exchange to the rows of `words` and `literals`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mnemostream.contracts.transcripts import OPENERS, Kind
from mnemostream.runtime.lexical import terms

YOURS = OPENERS | {Kind.QUEUED, Kind.STEER, Kind.COMMENT, Kind.REPLY, Kind.LOCAL_COMMAND}
"""What a person wrote: weight A in field 0."""
ASSISTANTS = {Kind.ANSWER, Kind.SUBAGENT_PROMPT, Kind.SUBAGENT_ANSWER}
"""What the assistant and its sub-agents wrote: weight B."""
CALLS = {Kind.TOOL_CALL, Kind.SUBAGENT_CALL}
ASIDES = {Kind.THINKING, Kind.SUMMARY, Kind.NOTIFICATION, Kind.ERROR}
SAID, INPUTS, ASIDE, TITLE = range(4)
"""Fields of `words`."""
LITERAL = frozenset(Kind) - {Kind.INJECTED, Kind.FORK, Kind.TITLE}
"""Kinds whose texts are found literally: everything but what no one reads."""


class Spoken(msgspec.Struct, frozen=True):
    """One record as the index sees it."""

    transcript_id: str
    generation: int
    record_id: str
    block: int
    part: int
    byte_offset: int
    kind: str
    body: str
    tool: str
    tool_input: str
    cwd: str
    occurred_at: datetime | None


class Around(msgspec.Struct, frozen=True):
    """What the index wants to know of an exchange besides its records."""

    source: str
    session_id: str
    transcript_id: str
    before: str
    """The prompt before it; "" if it is the first."""
    titles: Sequence[tuple[str, str]] = ()
    """Sessions and titles, if the exchange is the first of theirs."""


class Texts(msgspec.Struct):
    """One row of `words` whose terms are not made yet: texts of the weights A, B and D."""

    exchange_id: str
    session_id: str
    field: int
    source: str
    transcript_id: str
    project: str
    started_at: datetime | None
    ended_at: datetime | None
    a: str
    b: str = ""
    d: str = ""


def texts(exchange: str, records: Iterable[Spoken], around: Around) -> list[Texts]:
    """Rows of `words` of one exchange. Copies of a record in forks and older generations count once."""
    seen: dict[tuple[str, int, int], Spoken] = {}
    for record in records:
        seen.setdefault((record.record_id, record.block, record.part), record)
    once = sorted(seen.values(), key=lambda r: (r.transcript_id, r.generation, r.byte_offset, r.block, r.part))
    times = [record.occurred_at for record in once if record.occurred_at]
    project = next((record.cwd for record in once if record.cwd), "")
    began, ended = min(times, default=None), max(times, default=None)

    def row(field: int, a: str, b: str = "", d: str = "", session: str = around.session_id) -> Texts:
        facts = (around.source, around.transcript_id, project, began, ended)
        return Texts(exchange, session, field, *facts, *(terms.extended(text) for text in (a, b, d)))

    surroundings = [f"{began:%-d %B %Y %A}" if began else "", " ".join(project.split("/")[-2:]), around.before]
    rows = [row(SAID, _of(once, YOURS), _of(once, ASSISTANTS), "\n".join(surroundings))]
    inputs = "\n".join(f"{record.tool} {record.tool_input}" for record in once if record.kind in CALLS)
    asides = _of(once, ASIDES)
    rows += [row(INPUTS, inputs)] if inputs else []
    rows += [row(ASIDE, asides)] if asides else []
    titles: dict[str, list[str]] = {}
    for session, title in around.titles:
        titles.setdefault(session, []).append(title)
    rows += [row(TITLE, "\n".join(dict.fromkeys(found)), session=session) for session, found in titles.items()]
    return rows


def _of(records: Iterable[Spoken], kinds: Collection[str]) -> str:
    return "\n".join(record.body for record in records if record.kind in kinds)


def literals(exchange: str, records: Iterable[Spoken]) -> list[tuple[Any, ...]]:
    """Rows of `literals`."""
    return [
        (exchange, r.transcript_id, r.generation, r.byte_offset, r.record_id, r.block, r.part, found)
        for r in records
        if r.kind in LITERAL and (found := terms.hashes((r.body, r.tool, r.tool_input)))
    ]
