"""Events to JSON and back, and the ids that depend on content alone."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

import msgspec

from mnemostream.contracts import reasons, subjects, vitals
from mnemostream.contracts.events import AlertDelivered, Event, HealthChanged, Heartbeat
from mnemostream.contracts.sources import CANARY
from mnemostream.contracts.subjects import token
from mnemostream.contracts.transcripts import (
    Checkpoint,
    RecordsEmbedded,
    RecordsReparsed,
    TranscriptChanged,
    TranscriptForgotten,
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_checkpoints = msgspec.json.Decoder(Checkpoint)

CHECKPOINT_HEADER = "Mnemo-Checkpoint"
COUNTS_OF_VERSION_1 = ("polls", "pulls_refused", "redelivered")
"""Gauges of a heartbeat of version 1 that have fields of their own now."""


class NewerVersion(msgspec.ValidationError):
    """A version of an event that is not known here; what read it so far goes on, and an update reads this one, too."""


class _Head(msgspec.Struct):
    type: str
    version: int


_heads = msgspec.json.Decoder(_Head)


def encode(event: msgspec.Struct) -> bytes:
    """The event as one line of JSON."""
    return _encoder.encode(event)


def decode(payload: bytes) -> Event:
    """The event in `payload`, in the shape of its latest version.

    Raises msgspec.DecodeError for anything that is not a known event of a known version; NewerVersion is one.
    """
    try:
        return _latest(_decoder.decode(payload))
    except msgspec.ValidationError as error:
        if not str(error).endswith("`$.version`"):
            raise
        head = _heads.decode(payload)
        raise NewerVersion(
            f"version {head.version} of {head.type} is not known to this version of the service"
        ) from error


def decode_from(subject: str, payload: bytes) -> Event:
    """The same of a message of the log: what an edge ships must be of the edge's own transcripts.

    Raises msgspec.DecodeError.
    """
    event = decode(payload)
    edge = subjects.edge_of(subject)
    if edge and not (isinstance(event, TranscriptChanged) and _is_of(event, subject, edge)):
        raise msgspec.ValidationError(f"the edge {edge} has shipped what is not its own")
    return event


def tombstone(subject: str, payload: bytes) -> str:
    """The transcript that a message lays to rest; "" = it is no tombstone, whatever its subject says: whoever publishes
    chooses where the server's answer goes."""
    try:
        event = decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(event, TranscriptForgotten):
        return ""
    name = subjects.forgotten(event.source, event.transcript)
    return subjects.token(event.transcript) if subject == name or subject.startswith(f"{name}.") else ""


def _is_of(event: TranscriptChanged, subject: str, edge: str) -> bool:
    """By the host, which is the edge, and by the id, which follows from host, folder and path. A name that was no UTF-8
    is spelled with %XX by now."""
    if subject != subjects.changed(event.source, event.transcript, edge) or event.host != edge or not _is_sound(event):
        return False
    return any(
        event.transcript == transcript_id(event.source, event.host, root, path)
        for root in (event.root, _unprintable(event.root))
        for path in (event.path, _unprintable(event.path))
    )


def _is_sound(event: TranscriptChanged) -> bool:
    """Values that every reader takes; our own watchers make no others."""
    sums = [event.sha256, event.kept_sha256 or event.sha256, event.base.sha256 if event.base else event.sha256]
    numbers = [event.generation, event.start, event.end, event.part, event.parser, event.lineage or 0]
    numbers += [event.base.generation, event.base.bytes] if event.base else []
    try:
        datetime.fromisoformat(event.captured_at)
    except ValueError:
        return False
    return (
        all(re.fullmatch("[0-9a-f]{64}", digest) for digest in sums)
        and all(0 <= number < 2**53 for number in numbers)
        and max(event.generation, event.part, event.parser, event.lineage or 0) < 2**31
        and event.start <= event.end
        and event.source != CANARY
        and not event.path.startswith("/")
        and ".." not in event.path.split("/")
    )


def _unprintable(path: str) -> str:
    """The path that `printable` spelled."""
    return re.sub("%([89A-F][0-9A-F])", lambda match: chr(0xDC00 + int(match[1], 16)), path)


def _latest(event: Event) -> Event:
    """Events of former versions say in other words what the latest says."""
    if isinstance(event, Heartbeat) and (event.gauges or event.notes):
        counts = {name: int(event.gauges[name]) for name in COUNTS_OF_VERSION_1 if name in event.gauges}
        report = vitals.of_version_1(event.stage, event.gauges, event.notes)
        return msgspec.structs.replace(event, vitals=report, gauges={}, notes={}, version=2, **counts)
    if isinstance(event, (HealthChanged, AlertDelivered)) and event.version == 1:
        return msgspec.structs.replace(event, reason=reasons.of_version_1(event.rule), rule="", version=2)
    return event


def decode_checkpoint(header: str) -> Checkpoint:
    """The checkpoint in the header of a segment; raises msgspec.DecodeError."""
    return _checkpoints.decode(header.encode())


def is_subject_of(subject: str, checkpoint: Checkpoint) -> bool:
    """True if the checkpoint is of the transcript that the subject names."""
    named = subjects.source_and_transcript(subject)[1]
    return named == checkpoint.transcript or named == token(checkpoint.transcript)


def storable(value: str) -> str:
    """A text as PostgreSQL takes it: NUL and lone surrogates, which it has no place for, become U+FFFD, one for one."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    try:
        value.encode()
    except UnicodeEncodeError:
        value = "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    return value


def printable(path: str) -> str:
    """A path as text that can be sent and stored: bytes of a name that are not UTF-8 become %XX.

    >>> printable("caf\\udce9.jsonl")
    'caf%E9.jsonl'
    """
    return re.sub("[\ud800-\udfff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", path)


def text_sha(text: str) -> str:
    """Hex SHA-256 of a text: the key under which its vectors are stored."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def transcript_id(source: str, host: str, root: str, path: str) -> str:
    """Readable and unique: the file's stem and 12 hex digits of all that identifies it."""
    digest = hashlib.sha256("\0".join((source, host, root, path)).encode("utf-8", "surrogateescape"))
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{token(stem)[:48]}-{digest.hexdigest()[:12]}"


def place(host: str, root: str) -> str:
    """Of a watched folder on a host, in 12 hex digits: transcripts of a folder that is gone are known by it."""
    return hashlib.sha256("\0".join((host, printable(root))).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def segment_message_id(event: TranscriptChanged) -> str:
    """`Nats-Msg-Id` of a segment. It holds `end` and the hash: a retry of the same bytes is dropped,
    other bytes from the same start never are."""
    part = f":{event.part}" if event.part else ""
    return f"{event.transcript}:{event.generation}:{event.start}-{event.end}:{event.sha256[:16]}{part}"


def reparsed_message_id(event: RecordsReparsed) -> str:
    """`Nats-Msg-Id` of records by a newer parser."""
    looked = ":secrets" if event.secrets is not None else ""
    return f"{event.transcript}:{event.generation}:reparsed-{event.parser}:{event.end}:{event.part}{looked}"


def embedded_message_id(event: RecordsEmbedded) -> str:
    """`Nats-Msg-Id` of vectors: same texts by the same model, same id."""
    digest = hashlib.sha256(event.model.encode())
    for chunk in event.chunks:
        digest.update(f"\0{chunk.text_sha}:{chunk.chunk}".encode())
    again = f":{event.revision}" if event.revision else ""
    return f"{event.transcript}:{digest.hexdigest()[:32]}{again}"


def iso(now: float) -> str:
    """Unix time as ISO 8601 in UTC with milliseconds.

    >>> iso(0.0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
