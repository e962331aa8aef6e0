"""Streams and consumers as data; provisioned and verified by `runtime.provision`, bound by name elsewhere.

The reasons for each value stand in docs/architecture.md, section Streams.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mnemostream.contracts import subjects
from mnemostream.contracts.events import Stage

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""Name of the embedding model that comes in a wheel; a consumer's metadata says which model its messages go to."""

MINUTE = 60.0
DAY = 86_400.0
GIB = 1024**3
MIB = 1024**2

MAX_PAYLOAD = 8 * MIB
"""`max_payload` of the server, bytes. A segment with its records stays well below it."""

EVENT_BUDGET = 4 * MIB
"""Producers split what would become larger than this, bytes."""


FETCH_MESSAGES = 24
"""Most messages asked for at once."""

FETCH_BYTES = 16 * MIB
"""Most bytes asked for at once: what the server sends must stay below its `max_pending` of 64 MiB for a connection,
which it closes otherwise. A message that is larger is asked for alone."""


class Stream(msgspec.Struct, frozen=True):
    """One JetStream stream. Ages in seconds, sizes in bytes."""

    name: str
    subjects: tuple[str, ...]
    storage: Literal["file", "memory"] = "file"
    discard: Literal["new", "old"] = "new"
    max_bytes: int = 1 * GIB
    max_age: float = 0.0
    max_msgs_per_subject: int = -1
    duplicate_window: float = 2 * MINUTE
    allow_atomic: bool = False
    description: str = ""


class Consumer(msgspec.Struct, frozen=True):
    """One durable pull consumer with explicit acks and unlimited deliveries."""

    stream: str
    name: str
    stage: Stage
    filter: str
    batch: int
    """Most messages asked for at once."""
    portion_seconds: float = 0.0
    """And so much work at most, less where little is left; 0 = whatever the batch takes."""
    ack_wait: float = 30.0
    max_ack_pending: int = 1000
    description: str = ""


TRANSCRIPTS = Stream(
    "TRANSCRIPTS",
    (subjects.CHANGED, subjects.REPARSED, subjects.FORGOTTEN),
    max_bytes=64 * GIB,
    duplicate_window=15 * MINUTE,
    allow_atomic=True,
    description="The log: every byte of every transcript, in order.",
)
EMBEDDINGS = Stream(
    "EMBEDDINGS",
    (subjects.EMBEDDED,),
    max_bytes=64 * GIB,
    duplicate_window=15 * MINUTE,
    allow_atomic=True,
    description="Vectors of the texts in TRANSCRIPTS.",
)
HEARTBEATS = Stream(
    "HEARTBEATS",
    (subjects.HEARTBEATS,),
    storage="memory",
    discard="old",
    max_bytes=64 * MIB,
    max_age=15 * MINUTE,
    max_msgs_per_subject=24,
    description="Signs of life of all services, the newest 15 minutes.",
)
DEADLETTERS = Stream(
    "DEADLETTERS",
    (subjects.DEADLETTERS,),
    max_bytes=4 * GIB,
    description="Messages that a stage has given up; `mnemo deadletters` lists them.",
)
IN_FLIGHT = Stream(
    "INFLIGHT",
    (subjects.IN_FLIGHT,),
    storage="memory",
    discard="old",
    max_bytes=64 * MIB,
    max_age=15 * MINUTE,
    max_msgs_per_subject=1,
    description="What workers have in hand, to find what crashes them.",
)
SUSPECTS = Stream(
    "SUSPECTS",
    (subjects.SUSPECTS,),
    discard="old",
    max_bytes=64 * MIB,
    max_age=30 * DAY,
    max_msgs_per_subject=1,
    description="Messages that were in hand when a worker crashed.",
)
HEALTH = Stream(
    "HEALTH",
    (subjects.HEALTH_CHANGED, subjects.ALERT_DELIVERED, subjects.LETTER_DROPPED),
    discard="old",
    max_bytes=256 * MIB,
    max_age=90 * DAY,
    description="Changes of status, alerts that were delivered, dead letters that were dropped.",
)
HEALTH_STATE = Stream(
    "KV_HEALTH",
    ("$KV.HEALTH.>",),
    max_bytes=16 * MIB,
    max_msgs_per_subject=1,
    description="What the health service remembers over its restarts.",
)
"""The key-value bucket HEALTH (https://docs.nats.io/nats-concepts/jetstream/key-value-store): what the health service
must know over its restarts."""
ADVISORIES = Stream(
    "ADVISORIES",
    subjects.ADVISORIES,
    discard="old",
    max_bytes=64 * MIB,
    description="What the server says of deliveries that failed.",
)

STREAMS = (TRANSCRIPTS, EMBEDDINGS, HEARTBEATS, DEADLETTERS, IN_FLIGHT, SUSPECTS, HEALTH, HEALTH_STATE, ADVISORIES)

VOLATILE = (HEARTBEATS, IN_FLIGHT)
"""Streams in memory: a lone server forgets them at its restart, and they are made anew."""

EMBEDDER = Consumer(
    "TRANSCRIPTS",
    "embedder",
    Stage.EMBEDDER,
    subjects.TRANSCRIPTS,
    batch=FETCH_MESSAGES,
    portion_seconds=4.0,
    description="Texts to be embedded.",
)
WRITER_TRANSCRIPTS = Consumer(
    "TRANSCRIPTS",
    "writer",
    Stage.WRITER,
    subjects.TRANSCRIPTS,
    batch=FETCH_MESSAGES,
    description="Segments to be stored.",
)
WRITER_EMBEDDINGS = Consumer(
    "EMBEDDINGS", "writer", Stage.WRITER, subjects.EMBEDDED, batch=FETCH_MESSAGES, description="Vectors to be stored."
)

FORMER_FILTERS = (subjects.CHANGED, "transcripts.*.*.*")
"""Filters of earlier versions; provisioning replaces them."""

CONSUMERS = (EMBEDDER, WRITER_TRANSCRIPTS, WRITER_EMBEDDINGS)

CRASHES_WITNESSED = 3
"""A message that alone was in work is given up after so many crashes of which the error was seen."""
CRASHES_SILENT = 8
"""The same for deaths without a word: each may as well be an operator's `kill -9`. Deliveries are never counted:
lost pulls, restarts and stops use them up for messages that nobody has tried (docs/adr/0015)."""


HEALTHZ = "$SYS.REQ.SERVER.PING.HEALTHZ"
"""Request of the system account: each server answers whether all of it works, its store among it."""
RELOAD = "$SYS.REQ.SERVER.*.RELOAD"
"""Request of the system account: the server reads its configuration again."""
SYSTEM_REQUESTS = (
    RELOAD,
    "$SYS.REQ.SERVER.PING",
    *(
        f"$SYS.REQ.SERVER.PING.{each}"
        for each in ("HEALTHZ", "STATSZ", "IDZ", "VARZ", "JSZ", "CONNZ", "ROUTEZ", "ACCOUNTZ")
    ),
)
