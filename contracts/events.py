"""The facts that travel on the bus. Immutable, order-free, JSON on the wire.

    TranscriptChanged    a segment of one transcript: the bytes and the records parsed from them
    RecordsReparsed      records of archived bytes, by a newer parser
    TranscriptForgotten  the tombstone of a transcript that a person wanted gone
    RecordsEmbedded      vectors of the chunks of record texts, under the fingerprint of one model
    Heartbeat            one sign of life of one instance of one stage
    HealthChanged        a component of the system has another status than before
    AlertDelivered       people were told of it
    DeadLetter           a message that was given up, whole or by reference, with the reason
    InFlight             what one worker has in hand; its successor hands it back
    Suspect              a message whose worker died while it alone was in work

Decoding ignores unknown fields (a newer producer may add some) and refuses unknown types and
versions, which then go to the dead letters instead of being misread.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Stage(StrEnum):
    """The stages that beat; also the second token of a heartbeat's subject."""

    WATCHER = "watcher"
    EMBEDDER = "embedder"
    WRITER = "writer"
    HEALTH = "health"


class Phase(StrEnum):
    """Where an instance stands in its life; `stopped` is its goodbye."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


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


OPENERS = frozenset({Kind.PROMPT, Kind.COMMAND, Kind.PLAN})
"""Kinds that begin an exchange."""

CHUNKABLE = OPENERS | {Kind.QUEUED, Kind.STEER, Kind.COMMENT, Kind.REPLY, Kind.LOCAL_COMMAND, Kind.ANSWER}
"""Kinds whose text is embedded: all words of the human and all text of the assistant."""


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
    """The input of a tool call as JSON, shortened for display; whole in the segment's bytes."""
    timestamp: str = ""
    """ISO 8601 as the assistant wrote it, from the outer record; "" when it wrote none."""
    exchange_id: str = ""
    """Id of the record that opened the running exchange; "" before the first one."""
    cwd: str = ""
    revision: int = 0
    """Counts how often the assistant wrote the record again with other content; the last one holds."""


class TranscriptChanged(msgspec.Struct, frozen=True, tag_field="type", tag="TranscriptChanged"):
    """A segment: the bytes [start, end) of one generation of one transcript.

    Segments of a generation are contiguous from 0; their concatenation is the file, byte for byte.
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
    data: bytes
    """The bytes [start, end), zstd-compressed (base64 on the wire)."""
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
    version: Literal[1] = 1


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
    version: Literal[1] = 1


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
    version: Literal[1] = 1


POLLS = "polls"
"""Gauge of a heartbeat: how many loops of the process tell in `last_poll` when they last had contact with their source
of work, all the time and not only now and then. Without it, an old `last_poll` says nothing."""


PULLS_REFUSED = "pulls_refused"
"""Gauge: pull requests of this process that the server refused, which is a bug or a wrong setting."""
REDELIVERED = "redelivered"
"""Gauge: messages that came to this process with a delivery before."""


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="Heartbeat", omit_defaults=True):
    """One sign of life. Counters count since the start of the process (`boot_id`)."""

    stage: Stage
    instance: str
    boot_id: str
    sequence: int
    sent_at: float
    """Unix time, seconds."""
    phase: Phase
    interval_seconds: float
    uptime_seconds: float
    pid: int
    service_version: str
    last_poll: float = 0.0
    """Unix time of the last proven contact with the source of work; 0 = never."""
    last_progress_at: float = 0.0
    """Unix time at which work last finished; moved by finished work only; 0 = never."""
    processed: int = 0
    failed: int = 0
    consecutive_failures: int = 0
    """Failures since the last success of this process."""
    last_import_count: int = 0
    total_imported: int = 0
    in_flight: int = 0
    oldest_in_flight_seconds: float = 0.0
    loop_lag_seconds: float = 0.0
    last_error: str = ""
    gauges: dict[str, float] = {}
    """Stage-specific numbers; the watcher's `discovered_bytes`, `captured_bytes`, `files`, …"""
    notes: dict[str, str] = {}
    """Stage-specific words; the watcher's `mode`, the embedder's `model`."""
    version: Literal[1] = 1


class DeadLetter(msgspec.Struct, frozen=True, tag_field="type", tag="DeadLetter"):
    """A message that was given up, and why. The original stays in the log at (`stream`, `stream_sequence`)."""

    stage: Stage
    instance: str
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str
    traceback: str
    payload: bytes
    """The message as it was; empty when it is too large for a letter (`by_reference`)."""
    sent_at: float
    by_reference: bool = False
    """True if the payload is only in the log."""
    payload_bytes: int = 0
    """Size of the original, bytes; 0 in letters of an earlier version."""
    version: Literal[1] = 1


class InFlight(msgspec.Struct, frozen=True, tag_field="type", tag="InFlight"):
    """What one loop of one worker has in hand. The last one of each subject holds; an empty one is written when all is
    settled. A successor of the same name hands back what a dead worker held, instead of waiting for `ack_wait`."""

    stage: Stage
    instance: str
    boot_id: str
    stream: str
    consumer: str
    acks: list[str]
    """Ack subjects of the messages (`$JS.ACK.<stream>.<consumer>.…`)."""
    sent_at: float
    ended: bool = False
    """True for the last record of a worker that stopped as asked: it holds nothing."""
    version: Literal[1] = 1


class Suspect(msgspec.Struct, frozen=True, tag_field="type", tag="Suspect"):
    """How often a worker has begun with a message alone and did not live to say how it ended."""

    stage: Stage
    instance: str
    stream: str
    consumer: str
    stream_sequence: int
    attempts: int
    """Attempts alone without an outcome, the present one among them; 0 = cleared."""
    witnessed: int
    """Of them, those that ended the process by an error that was seen."""
    error: str
    """The last error that was seen; "" when the process died without a word (SIGKILL, a crash in C)."""
    traceback: str
    at: float
    stored_at: float = 0.0
    """Unix time at which the message was stored: another one under the same sequence is no suspect."""
    version: Literal[1] = 1


class HealthChanged(msgspec.Struct, frozen=True, tag_field="type", tag="HealthChanged"):
    """A component has another status than before; all of them in their order are the timeline of the system."""

    component: str
    """A stage, `bus`, `database`, `canary`, or `overall`."""
    before: str
    after: str
    rule: str
    """Number and name of the rule that gave the status, as in docs/status.md."""
    cause: str
    at: float
    """Unix time, seconds."""
    seconds: float = 0.0
    """How long the status before had lasted."""
    consecutive_failures: int = 0
    version: Literal[1] = 1


class AlertDelivered(msgspec.Struct, frozen=True, tag_field="type", tag="AlertDelivered"):
    """People were told of a component: at least one receiver has taken the alert. A health service that starts anew
    knows by it what they know."""

    component: str
    status: str
    """What they were told; `healthy` after a resolved fault."""
    rule: str
    at: float
    """Unix time of the judgement that they were told, seconds."""
    fault_since: float = 0.0
    """Unix time at which the fault began; 0 = there is none."""
    version: Literal[1] = 1


class Retry(msgspec.Struct, frozen=True):
    """Request to a worker: try this dead letter once more."""

    sequence: int
    """Its sequence in the stream DEADLETTERS."""


class RetryReply(msgspec.Struct, frozen=True):
    """Its answer; with an empty `error` the work is done and the letter removed."""

    error: str = ""


class EmbedQuery(msgspec.Struct, frozen=True):
    """Request to an embedder: turn one search text into a vector."""

    text: str


class EmbedReply(msgspec.Struct, frozen=True):
    """Its answer; `error` is not empty when there is no vector."""

    model: str = ""
    dimensions: int = 0
    vector: bytes = b""
    error: str = ""


Event = (
    TranscriptChanged
    | RecordsReparsed
    | TranscriptForgotten
    | RecordsEmbedded
    | Heartbeat
    | DeadLetter
    | InFlight
    | Suspect
    | HealthChanged
    | AlertDelivered
)
