"""Events to rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from mnemostream.contracts import codec
from mnemostream.contracts.codec import storable as text
from mnemostream.contracts.events import Event
from mnemostream.contracts.transcripts import (
    Record,
    RecordsEmbedded,
    RecordsReparsed,
    TranscriptChanged,
    TranscriptForgotten,
    embeddable,
)
from mnemostream.runtime.disk import bodies

Row = tuple[Any, ...]


class Columns(msgspec.Struct, frozen=True):
    """Rows for one transaction."""

    transcripts: list[Row]
    segments: list[Row]
    records: list[Row]
    reparsed: list[Row] = []
    forgotten: list[Row] = []


def of_events(events: Iterable[Event]) -> Columns:
    """Rows of segments and records, of newer parsers' records, and of tombstones.

    Within one batch the longer of two segments with the same beginning, of two equal ones the earlier.
    """
    transcripts: dict[str, Row] = {}
    segments: dict[tuple[str, int, int], Row] = {}
    records: list[Row] = []
    reparsed: dict[tuple[str, int], Row] = {}
    forgotten: dict[str, Row] = {}
    for change in events:
        if isinstance(change, TranscriptForgotten):
            tombstone = (change.transcript, text(change.source), text(change.session_id), change.forgotten_at)
            forgotten.setdefault(change.transcript, tombstone)
        if isinstance(change, RecordsReparsed):
            records.extend(_record(change, record) for record in change.records)
            secrets = _counts(change.secrets)
            mark = (change.transcript, _lineage(change), change.parser, change.end, secrets, change.generation)
            before = reparsed.get(mark[:2], mark)
            reparsed[mark[:2]] = max(before, mark, key=lambda row: (row[2:4], row[5], row[4] is not None))
        if not isinstance(change, TranscriptChanged):
            continue
        name = change.transcript
        transcripts.setdefault(
            name,
            (
                name,
                text(change.source),
                text(change.host),
                text(change.root),
                text(change.path),
                text(change.session_id),
                change.subagent,
            ),
        )
        key = (name, change.generation, change.start)
        if change.end > change.start:
            row = _segment(change)
            if key not in segments or (row[3], segments[key][6]) > (segments[key][3], row[6]):
                segments[key] = row
        records.extend(_record(change, record) for record in change.records)
    return Columns(
        list(transcripts.values()), list(segments.values()), records, list(reparsed.values()), list(forgotten.values())
    )


LIVE_BYTES = 64 * 1024
"""Most bytes of a segment that an assistant is writing now, as far as one can tell: an import has longer ones."""


def live(events: Iterable[Event]) -> bool:
    """True for short pieces at the ends of files, which somebody may look for at once."""
    changes = [event for event in events if isinstance(event, TranscriptChanged)]
    return bool(changes) and all(change.start > 0 and change.end - change.start <= LIVE_BYTES for change in changes)


def _segment(change: TranscriptChanged) -> Row:
    return (
        change.transcript,
        change.generation,
        change.start,
        change.end,
        change.data,
        bytes.fromhex(change.sha256),
        change.captured_at,
        _counts(change.counts),
        change.parser,
        _counts(change.secrets),
        msgspec.json.encode(change.replaced).decode(),
        bytes.fromhex(change.kept_sha256) or None,
        *((base.generation, base.bytes, bytes.fromhex(base.sha256)) if (base := change.base) else (None, None, None)),
        change.lineage,
    )


def _lineage(change: TranscriptChanged | RecordsReparsed) -> int:
    """The generation under which records are kept."""
    return change.generation if change.lineage is None else change.lineage


def _counts(counts: dict[str, int] | None) -> str | None:
    """Counts by name as JSON."""
    return None if counts is None else msgspec.json.encode({text(name): n for name, n in counts.items()}).decode()


def _record(change: TranscriptChanged | RecordsReparsed, record: Record) -> Row:
    return (
        change.transcript,
        _lineage(change),
        text(record.id),
        record.block,
        record.part,
        record.offset,
        str(record.kind),
        text(record.role),
        text(record.exchange_id) or None,
        moment(record.timestamp),
        text(record.cwd),
        text(bodies.text_of(record)),
        bytes.fromhex(codec.text_sha(record.text)) if embeddable(record) else None,
        text(record.tool),
        text(record.tool_input),
        record.revision,
        change.parser,
        text(record.copy_key) or None,
    )


def of_vectors(events: Iterable[RecordsEmbedded]) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows of models, of chunks (vectors still as bytes), and of the transcripts that brought them."""
    models: dict[str, Row] = {}
    chunks: set[Row] = set()
    owners: set[Row] = set()
    for event in events:
        models[event.model] = (event.model, event.model_name, event.dimensions)
        for chunk in event.chunks:
            sha = bytes.fromhex(chunk.text_sha)
            chunks.add((event.model, sha, chunk.chunk, chunk.begin, chunk.stop, event.revision, chunk.vector))
            owners.add((event.model, sha, event.transcript))
    return list(models.values()), list(chunks), sorted(owners)


def moment(stamp: str) -> datetime | None:
    """An assistant's time stamp; None where it wrote none or none that can be read."""
    try:
        time = datetime.fromisoformat(stamp)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
