"""Snapshot and rows to the bodies of the API: what is archived. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, TypeVar

import msgspec

from mnemostream.contracts import topology
from mnemostream.contracts.codec import iso
from mnemostream.contracts.http.archive import (
    Bucket,
    Conversation,
    ConversationRecord,
    DeadLetterItem,
    DeadLetters,
    FullConversation,
    Recent,
    Timeline,
)
from mnemostream.runtime.secrets.mask import without_halves
from mnemostream.services.health.http.bodies.status import change_of, dated
from mnemostream.services.health.judge.snapshot import KeptLetter, Snapshot

SHORTENED = 2000
"""Characters of a text in recent.sql."""
IMPORTED = ("conversations", "segments", "bytes")
T = TypeVar("T")


def recent(rows: Sequence[Mapping[str, Any]], total: int, offset: int) -> Recent:
    """One page of the newest conversations."""
    listed = [{name: value for name, value in row.items() if name != "total"} for row in rows]
    conversations = [_shortened(Conversation(**dated(row))) for row in listed]
    end = offset + len(rows)
    return Recent(conversations, len(conversations), offset, total, end if rows and end < total else None)


def _shortened(row: Conversation) -> Conversation:
    prompt, answer = (without_halves(text, end=len(text) >= SHORTENED) for text in (row.prompt, row.answer))
    return msgspec.structs.replace(row, prompt=prompt, answer=answer)


def conversation(whole: dict[str, Any], records: list[dict[str, Any]], offset: int) -> FullConversation:
    """One exchange with one page of its records."""
    facts = dated(whole)
    cut = facts.pop("cut")
    if cut:
        facts |= {name: without_halves(facts[name], end=True) for name in ("prompt", "answer")}
    total = records[0]["total"] if records else 0
    end = offset + len(records)
    following = end if records and end < total else None
    listed = [ConversationRecord(**{n: v for n, v in dated(row).items() if n != "total"}) for row in records]
    return FullConversation(
        **facts,
        records=listed,
        truncated=bool(cut) or following is not None,
        offset=offset,
        total=total,
        next=following,
    )


def timeline(snapshot: Snapshot, days: int, limit: int, offset: int) -> Timeline:
    """Imports of the last `days` per hour (of the last two days) and per day; one page of the status changes."""
    first = snapshot.at - days * 86400
    daily = [row for row in snapshot.daily if row["start"].timestamp() > first - 86400]
    hourly = [row for row in snapshot.hourly if row["start"].timestamp() > snapshot.at - min(days, 2) * 86400 - 3600]
    changes = [change for change in reversed(snapshot.changes) if change.at >= first]
    page, following = paged(changes, limit, offset)
    return Timeline(
        days=days,
        hourly=[Bucket(iso(r["start"].timestamp()), *(r[name] for name in IMPORTED)) for r in hourly],
        daily=[Bucket(r["start"].strftime("%Y-%m-%d"), *(r[name] for name in IMPORTED)) for r in daily],
        changes=[change_of(change) for change in page],
        count=len(page),
        offset=offset,
        total=len(changes),
        next=following,
    )


def deadletters(
    snapshot: Snapshot, stage: str | None, limit: int, offset: int, asked: Set[int] = frozenset()
) -> DeadLetters:
    """One page of the dead letters, newest first; `asked` are those with a retry under way."""
    wanted = [letter for letter in snapshot.dead_letters if stage in (None, letter.stage)]
    page, following = paged(wanted, limit, offset)
    return DeadLetters(
        [_letter(letter, asked) for letter in page],
        snapshot.bus.messages(topology.DEADLETTERS.name),
        len(page),
        offset,
        len(wanted),
        following,
    )


def paged(rows: Sequence[T], limit: int, offset: int) -> tuple[Sequence[T], int | None]:
    """One page, and the offset of the next one, if there is one."""
    return rows[offset : offset + limit], offset + limit if offset + limit < len(rows) else None


def outcome(letter: KeptLetter, asked: Set[int]) -> str:
    """What became of a retry."""
    return "pending" if letter.sequence in asked else letter.retry


def _letter(letter: KeptLetter, asked: Set[int]) -> DeadLetterItem:
    fields = {name: getattr(letter, name) for name in DeadLetterItem.__struct_fields__}
    return DeadLetterItem(**{**fields, "at": iso(letter.at), "retry": outcome(letter, asked)})
