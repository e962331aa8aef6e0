"""Facts about transcripts: segments and their records, tombstones, vectors. Immutable and order-free."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Kind(StrEnum):
    """What a record is. Those before `THINKING` are human or assistant words and are embedded."""

    PROMPT = "prompt"  # typed by the human, opens an exchange
    COMMAND = "command"  # slash command that reaches the model, opens an exchange
    PLAN = "plan"  # accepted plan, opens an exchange
    QUEUED = "queued"  # typed while the assistant worked; becomes a steer, a prompt or nothing
    STEER = "steer"  # queued words that were given to the running turn
    COMMENT = "comment"  # typed when a tool call was approved or rejected
    REPLY = "reply"  # answers to questions that the assistant asked
    LOCAL_COMMAND = "local_command"  # typed, handled by the assistant's program, no model call
    ANSWER = "answer"  # text of the assistant
    THINKING = "thinking"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    SUMMARY = "summary"  # compaction summary, machine text in a user record
    INJECTED = "injected"  # isMeta: caveats, expanded commands and skills
    NOTIFICATION = "notification"
    LOCAL_OUTPUT = "local_output"
    INTERRUPT = "interrupt"
    ERROR = "error"  # model "<synthetic>": API errors and the like
    SUBAGENT_PROMPT = "subagent_prompt"
    SUBAGENT_ANSWER = "subagent_answer"
    SUBAGENT_CALL = "subagent_call"
    FORK = "fork"  # names the session whose history this one began with
    TITLE = "title"  # of the session, by a person or a program


OPENERS = frozenset({Kind.PROMPT, Kind.COMMAND, Kind.PLAN})
"""Kinds that begin an exchange."""

CHUNKABLE = OPENERS | {
    Kind.QUEUED,
    Kind.STEER,
    Kind.COMMENT,
    Kind.REPLY,
    Kind.LOCAL_COMMAND,
    Kind.ANSWER,
    Kind.SUBAGENT_PROMPT,
    Kind.SUBAGENT_ANSWER,
}
"""Kinds whose text is embedded: all words of a person, and all text of the assistant and its sub-agents."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One content block of one line of a transcript, or one part of a very long block.

    (id, block, part) is unique in a generation. `id` is the assistant's own uuid, else a hash of
    the line: never an offset, so that a rewritten or copied file gives the same ids.
    """

    id: str
    kind: Kind
    offset: int
    """Byte offset of the object within the generation: the order of the file.
    In documents that are one JSON object, the number of the message."""
    block: int = 0
    part: int = 0
    """Texts over `TEXT_PART_CHARS` travel as parts 0, 1, …; their plain concatenation is the text."""
    role: str = ""
    text: str = ""
    tool: str = ""
    tool_input: str = ""
    """The input of a tool call as JSON, or the text that it was."""
    timestamp: str = ""
    """ISO 8601 as the assistant wrote it, from the outer record; "" when it wrote none."""
    exchange_id: str = ""
    """Id of the running exchange: of the record that opened it, or, where ids are unique in their session only, a hash
    of source, session and opener; "" before the first one."""
    cwd: str = ""
    revision: int = 0
    """Counts how often the assistant wrote the record again with other content; the last one holds."""
    copy_key: str = ""
    """On the opener of an exchange: what a copy of it in a fork of the session has in common with it."""
    packed: bytes = b""
    """The text, zstd-compressed, instead of `text`: of long results of tools."""


def embeddable(record: Record) -> bool:
    """True for a text that must have vectors: human or assistant words that are not just white space."""
    return record.kind in CHUNKABLE and bool(record.text.strip())


class Base(msgspec.Struct, frozen=True):
    """What a generation of a document has in common with an earlier one: its first bytes."""

    generation: int
    """Which may have a base, too."""
    bytes: int
    sha256: str
    """Hex SHA-256 of these bytes, as the assistant wrote them."""


class TranscriptChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="TranscriptChanged"):
    """A segment: the bytes [start, end) of one generation of one transcript.

    Segments of a generation are contiguous from 0, or from the end of its base; their concatenation, with the bytes of
    the base before it, is the file, byte for byte.
    Records that are too large for one event travel ahead, in events without bytes (start == end, part > 0).
    """

    transcript: str
    source: str
    host: str
    root: str
    path: str
    """Path below the root, with '/'."""
    session_id: str
    generation: int
    start: int
    end: int
    sha256: str
    """Hex SHA-256 of the whole file from 0 up to `end`."""
    captured_at: str
    """ISO 8601, UTC, when the bytes were read."""
    records: list[Record] = []
    counts: dict[str, int] = {}
    """Lines of this segment by record type; damaged ones under `damaged:<how>`, unknown ones under `unknown:<type>`."""
    subagent: bool = False
    part: int = 0
    """Number of an event that carries records only; 0 = the segment itself."""
    parser: int = 1
    """Version of the parser that made the records."""
    secrets: dict[str, int] | None = None
    """Secrets recognised in these bytes, by kind; None = nobody looked."""
    replaced: list[tuple[int, int]] = []
    """Bytes [start, stop) of the generation that hold placeholders instead of secrets."""
    kept_sha256: str = ""
    """Hex SHA-256 of the content of `data`, set once something was replaced in the generation: `sha256` is of the
    file as the assistant wrote it."""
    base: Base | None = None
    """On the first segment of a generation: where the bytes before `start` are."""
    lineage: int | None = None
    """The generation whose records these are added to: a document that is saved again brings what is new in it; None =
    the records are all those of `generation`."""
    version: Literal[1, 2] = 1
    """2 = of a generation with a base or a lineage, which readers of version 1 would misread."""
    data: bytes
    """The bytes [start, end), zstd-compressed (base64 on the wire); last, so that a person who looks at a message sees
    the rest."""


class RecordsReparsed(msgspec.Struct, frozen=True, tag_field="type", tag="RecordsReparsed"):
    """Records of archived bytes by a newer parser. Those of older parsers before `end` no longer hold."""

    transcript: str
    source: str
    generation: int
    end: int
    """All bytes before this offset were parsed anew."""
    parser: int
    part: int
    """Number of this event within the one parse, from 0."""
    records: list[Record] = []
    secrets: dict[str, int] | None = None
    """Secrets recognised in all of the generation, by kind, on the first event; None = nobody looked."""
    lineage: int | None = None
    """The generation whose records these are, where it is another one."""
    version: Literal[1, 2] = 1
    """2 = with a lineage."""


class TranscriptForgotten(msgspec.Struct, frozen=True, tag_field="type", tag="TranscriptForgotten"):
    """A tombstone: the transcript was removed at a person's wish and is not captured again."""

    transcript: str
    source: str
    session_id: str
    forgotten_at: str
    """ISO 8601, UTC."""
    version: Literal[1] = 1


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the watcher stands in one transcript after a segment; header `Mnemo-Checkpoint`.

    It rides on the segment itself, so the position and the bytes are stored by one write and
    a new watcher on a new machine reads its positions from the log.
    """

    transcript: str
    generation: int
    end: int
    line_start: int
    """Offset of the line that a fragment belongs to; equals `end` after a complete line."""
    sha256: str
    head: str
    """Hex SHA-256 of the first min(end, 4096) bytes."""
    tail: str
    """Hex SHA-256 of the last min(end, 4096) bytes before `end`."""
    mtime_ns: int
    ctime_ns: int = 0
    unproven: bool = False
    """True if the content must be compared once more when the file has rested."""
    replaced: bool = False
    """True if something was replaced in the generation up to here."""
    lineage: int | None = None
    """That of the segment."""
    place: str = ""
    """Of the host and the watched folder (`codec.place`); "" = written before it was told."""


class Chunk(msgspec.Struct, frozen=True):
    """One vector: characters [begin, stop) of one record's text."""

    record_id: str
    text_sha: str
    """Hex SHA-256 of the record's whole text: equal texts share their vectors."""
    chunk: int
    begin: int
    stop: int
    vector: bytes
    """`dimensions` little-endian float32 values (base64 on the wire)."""


class RecordsEmbedded(msgspec.Struct, frozen=True, tag_field="type", tag="RecordsEmbedded"):
    """Vectors for texts of one segment, all by one model."""

    transcript: str
    source: str
    model: str
    """Fingerprint of the model: name and hash of what turns text into numbers."""
    model_name: str
    dimensions: int
    chunks: list[Chunk]
    part: int = 0
    revision: int = 0
    """Of the vectors: 0, or the Unix time in ms at which somebody asked for them anew; the highest holds."""
    version: Literal[1] = 1
