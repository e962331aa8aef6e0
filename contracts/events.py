"""The facts that travel on the bus. Immutable, order-free, JSON on the wire.

    TranscriptChanged    a segment of one transcript: the bytes and the records parsed from them
    RecordsReparsed      records of archived bytes, by a newer parser
    TranscriptForgotten  the tombstone of a transcript that a person wanted gone
    RecordsEmbedded      vectors of the chunks of record texts, under the fingerprint of one model
    Heartbeat            one sign of life of one instance of one stage
    HealthChanged        a component of the system has another status than before
    AlertDelivered       people were told of it
    DeadLetterDropped    a person has dropped a dead letter, and why
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

from mnemostream.contracts.transcripts import RecordsEmbedded, RecordsReparsed, TranscriptChanged, TranscriptForgotten
from mnemostream.contracts.vitals import Vitals


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
    polls: int | None = None
    """How many loops of the process tell in `last_poll` when they last had contact with their source of work, all the
    time and not only now and then. Without it, an old `last_poll` says nothing."""
    pulls_refused: int | None = None
    """Pull requests of this process that the server refused, which is a bug or a wrong setting."""
    redelivered: int | None = None
    """Messages that came to this process with a delivery before."""
    foreign_messages: int | None = None
    """What arrived in its inbox and was no message of JetStream: dropped."""
    vitals: Vitals | None = None
    """What only this stage can tell."""
    version: Literal[1, 2] = 1
    """Not written by version 1, hence the default."""
    gauges: dict[str, float] = {}
    """Version 1 told its vitals by name, here and …"""
    notes: dict[str, str] = {}
    """… here; `codec.decode` turns them into `vitals`."""


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


class HealthChanged(msgspec.Struct, frozen=True, tag_field="type", tag="HealthChanged", omit_defaults=True):
    """A component has another status than before; all of them in their order are the timeline of the system."""

    component: str
    """A stage, `bus`, `database`, `canary`, or `overall`."""
    before: str
    after: str
    cause: str
    at: float
    """Unix time, seconds."""
    seconds: float = 0.0
    """How long the status before had lasted."""
    consecutive_failures: int = 0
    reason: str = ""
    """Code of the rule that gave the status (contracts/reasons.py)."""
    rule: str = ""
    """Version 1 named the rule here, by number and name; `codec.decode` turns it into `reason`."""
    version: Literal[1, 2] = 2


class AlertDelivered(msgspec.Struct, frozen=True, tag_field="type", tag="AlertDelivered", omit_defaults=True):
    """People were told of a component: at least one receiver has taken the alert. A health service that starts anew
    knows by it what they know."""

    component: str
    status: str
    """What they were told; `healthy` after a resolved fault."""
    at: float
    """Unix time of the judgement that they were told, seconds."""
    fault_since: float = 0.0
    """Unix time at which the fault began; 0 = there is none."""
    reason: str = ""
    """Code of the rule that gave the status (contracts/reasons.py)."""
    rule: str = ""
    """Version 1 named the rule here; `codec.decode` turns it into `reason`."""
    version: Literal[1, 2] = 2


class DeadLetterDropped(msgspec.Struct, frozen=True, tag_field="type", tag="DeadLetterDropped"):
    """A person has had a dead letter removed. What it stood for stays in the log."""

    stage: str
    """Who had given the message up."""
    sequence: int
    """That of the letter in DEADLETTERS."""
    subject: str
    stream: str
    stream_sequence: int
    error: str
    why: str
    """In the words of who dropped it; "" if they said nothing."""
    at: float
    """Unix time, seconds."""
    version: Literal[1] = 1


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
    | DeadLetterDropped
)
