"""Requests between a person's commands or the health service and the workers, and their answers; what the one-shot
programs write to their standard output, one JSON object a line."""

from __future__ import annotations

import msgspec


class Retry(msgspec.Struct, frozen=True):
    """Request to a worker: try this dead letter once more."""

    sequence: int
    """Its sequence in the stream DEADLETTERS."""


class RetryReply(msgspec.Struct, frozen=True):
    """Its answer; with an empty `error` the work is done, and who asked removes the letter."""

    error: str = ""


class EmbedAgain(msgspec.Struct, frozen=True):
    """Request to an embedder: make the vectors of one message of TRANSCRIPTS anew; the answer is a `RetryReply`."""

    sequence: int
    """Its sequence in the stream."""
    revision: int
    """Of the vectors (`RecordsEmbedded.revision`), Unix time in ms; 0 for those that are missing."""


class EmbedQuery(msgspec.Struct, frozen=True):
    """Request to an embedder: turn one search text into a vector."""

    text: str


class EmbedReply(msgspec.Struct, frozen=True):
    """Its answer; `error` is not empty when there is no vector."""

    model: str = ""
    dimensions: int = 0
    vector: bytes = b""
    error: str = ""


class ReparseProgress(msgspec.Struct, frozen=True):
    """`python -m mnemostream.services.watcher.reparse`: transcripts done of all."""

    done: int
    total: int
    reparsed: int = 0
    """Generations that were parsed again."""
    records: int = 0


class ReplayedTable(msgspec.Struct, frozen=True):
    """Rows of one table and whether the sums of their hashes agree, before and after."""

    name: str
    live_rows: int
    replayed_rows: int
    equal: bool


class ReplayProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """`python -m mnemostream.services.writer.replay`: messages done of all, then the outcome."""

    done: int = 0
    total: int = 0
    skipped: int = 0
    """Messages that are in the dead letters and give no rows."""
    tables: list[ReplayedTable] = []
    swapped: bool = False
    """True in the last line: the new tables are in use."""
