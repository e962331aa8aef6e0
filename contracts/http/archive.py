"""Bodies of the API about what is archived: conversations, imports, dead letters. Times ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mnemostream.contracts.http.health import Change


class Conversation(msgspec.Struct, frozen=True):
    """One exchange, its texts shortened to 2,000 characters, its tools to the first 100."""

    exchange_id: str
    source: str
    transcript_id: str
    session_id: str
    project: str | None
    kind: str
    prompt: str
    answer: str
    tools: list[str]
    started_at: str | None
    ended_at: str | None


class Recent(msgspec.Struct, frozen=True):
    """Conversations, the newest first; `total` counts all, `next` is the offset of the next page."""

    conversations: list[Conversation]
    count: int
    offset: int
    total: int
    next: int | None


class ConversationRecord(msgspec.Struct, frozen=True):
    """One content block of an exchange, in the order of the transcript."""

    kind: str
    role: str
    text: str
    tool: str
    tool_input: str
    occurred_at: str | None


class FullConversation(Conversation, frozen=True):
    """The same with its whole texts and one page of its records: `total` counts all, `next` is the offset of the
    next page. `truncated`: there are more of them, or prompt or answer are longer than 2 million characters."""

    records: list[ConversationRecord]
    truncated: bool
    offset: int
    total: int
    next: int | None


class Bucket(msgspec.Struct, frozen=True):
    """What came in an hour or a day (UTC): exchanges by when they were asked, bytes by when they were saved."""

    start: str
    conversations: int
    segments: int
    bytes: int


class Timeline(msgspec.Struct, frozen=True):
    """Imports per hour and day, and status changes (newest first) of the last `days`."""

    days: int
    hourly: list[Bucket]
    daily: list[Bucket]
    changes: list[Change]
    count: int
    offset: int
    total: int
    next: int | None


class Host(msgspec.Struct, frozen=True):
    """One machine whose transcripts are here."""

    host: str
    edge: bool
    """True for one that ships from elsewhere, as far as its watcher tells; it may be away."""
    state: Literal["beating", "silent", "stopped", "away"] = "away"
    """`silent`: no heartbeat for 20 s, and no goodbye; `away`: none for a quarter of an hour."""
    heartbeat_age_seconds: float | None = None
    backlog_bytes: int | None = None
    """Bytes that it knew of and had not shipped, as of its last heartbeat; null = not known."""
    transcripts: int = 0
    bytes: int = 0
    """Shipped, of all generations."""
    last_at: datetime | None = None
    """When the newest bytes were read there."""


class Hosts(msgspec.Struct, frozen=True):
    """All machines, the latest first."""

    hosts: list[Host]


class DeadLetterItem(msgspec.Struct, frozen=True):
    """One message that was given up. `retry`: empty, `pending`, or why it failed again."""

    sequence: int
    stage: str
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str
    traceback: str
    instance: str
    at: str
    size: int
    text: str
    by_reference: bool
    retry: str


class DeadLetters(msgspec.Struct, frozen=True):
    """Newest first. `kept` counts all in the stream, `total` those that can be paged through here."""

    deadletters: list[DeadLetterItem]
    kept: int
    count: int
    offset: int
    total: int
    next: int | None


class RetryAccepted(msgspec.Struct, frozen=True):
    """The retry was handed to a worker of the stage; the list of dead letters tells what becomes of it."""

    sequence: int
    retry: str


class DropAccepted(msgspec.Struct, frozen=True):
    """The dead letter is being removed; what it stands for stays in the log."""

    sequence: int
    drop: str
