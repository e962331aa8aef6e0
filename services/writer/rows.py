"""Events to rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts import codec
from contracts.events import CHUNKABLE, Record, RecordsEmbedded, TranscriptChanged

Row = tuple[Any, ...]


class Columns(msgspec.Struct, frozen=True):
    """Rows for one transaction."""

    transcripts: list[Row]
    segments: list[Row]
    records: list[Row]


def of_changes(changes: Iterable[TranscriptChanged]) -> Columns:
    """Rows of segments and their records; within one batch the longer of two equal beginnings."""
    transcripts: dict[str, Row] = {}
    segments: dict[tuple[str, int, int], Row] = {}
    records: list[Row] = []
    for change in changes:
        name = change.transcript
        transcripts[name] = (
            name,
            text(change.source),
            text(change.host),
            text(change.root),
            text(change.path),
            text(change.session_id),
            change.subagent,
        )
        key = (name, change.generation, change.start)
        if key not in segments or segments[key][3] < change.end:
            segments[key] = _segment(change)
        records.extend(_record(change, record) for record in change.records)
    return Columns(list(transcripts.values()), list(segments.values()), records)


def _segment(change: TranscriptChanged) -> Row:
    return (
        change.transcript,
        change.generation,
        change.start,
        change.end,
        change.data,
        bytes.fromhex(change.sha256),
        change.captured_at,
        text(msgspec.json.encode(change.counts).decode()),
    )


def _record(change: TranscriptChanged, record: Record) -> Row:
    return (
        change.transcript,
        change.generation,
        record.id,
        record.block,
        record.part,
        record.offset,
        str(record.kind),
        text(record.role),
        record.exchange_id or None,
        moment(record.timestamp),
        text(record.cwd),
        text(record.text),
        bytes.fromhex(codec.text_sha(record.text)) if embeddable(record) else None,
        text(record.tool),
        text(record.tool_input),
    )


def embeddable(record: Record) -> bool:
    """True for a text that must have vectors: human or assistant words that are not just white space."""
    return record.kind in CHUNKABLE and bool(record.text.strip())


def of_vectors(events: Iterable[RecordsEmbedded]) -> tuple[list[Row], list[Row]]:
    """Rows of models and of chunks; each chunk once, its vector still as bytes."""
    models: dict[str, Row] = {}
    chunks: dict[tuple[str, str, int], Row] = {}
    for event in events:
        models[event.model] = (event.model, event.model_name, event.dimensions)
        for chunk in event.chunks:
            chunks[event.model, chunk.text_sha, chunk.chunk] = (
                event.model,
                bytes.fromhex(chunk.text_sha),
                chunk.chunk,
                chunk.begin,
                chunk.stop,
                chunk.vector,
            )
    return list(models.values()), list(chunks.values())


def text(value: str) -> str:
    """A text that PostgreSQL takes: NUL and lone surrogates, which it has no place for, become U+FFFD, one for one."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    try:
        value.encode()
    except UnicodeEncodeError:
        value = "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    return value


def moment(stamp: str) -> datetime | None:
    """An assistant's time stamp; None where it wrote none or none that can be read."""
    try:
        found = datetime.fromisoformat(stamp)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
