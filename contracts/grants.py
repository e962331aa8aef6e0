"""What each user of the bus may do: least privilege, enforced by nats-server (local/nats_conf.py)."""

from __future__ import annotations

import msgspec

from mnemostream.contracts import subjects
from mnemostream.contracts.events import Stage
from mnemostream.contracts.topology import (
    CONSUMERS,
    DEADLETTERS,
    EMBEDDER,
    EMBEDDINGS,
    HEALTH,
    HEALTH_STATE,
    HEARTBEATS,
    IN_FLIGHT,
    STREAMS,
    SUSPECTS,
    TRANSCRIPTS,
    VOLATILE,
    WRITER_EMBEDDINGS,
    WRITER_TRANSCRIPTS,
    Consumer,
    Stream,
)


class Grant(msgspec.Struct, frozen=True):
    """What one user of the bus may publish; everybody may subscribe to their own inbox."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()
    responds: bool = False
    """True for who answers requests: to each one's reply subject, and to no other inbox."""

    works: bool = False
    """True for who works for a consumer of a stage, and names it."""

    @property
    def deny(self) -> tuple[str, ...]:
        """What its patterns would allow and it may not do: to change or to use the consumer of a stage."""
        return tuple(pattern for pattern in GUARDED if not self.works or pattern not in self.publish)


def _reads(*consumers: Consumer) -> tuple[str, ...]:
    """Pulling, acking, and the record of what is in hand and of what is suspected."""
    patterns = []
    for c in consumers:
        suspects = subjects.suspect(c.stream, c.name, "*")
        patterns += [f"$JS.API.CONSUMER.{verb}.{c.stream}.{c.name}" for verb in ("INFO", "MSG.NEXT")]
        patterns += [f"$JS.ACK.{c.stream}.{c.name}.>", suspects, f"$JS.API.DIRECT.GET.{SUSPECTS.name}.{suspects}"]
    for stage in sorted({c.stage for c in consumers}):
        own = f"inflight.{stage}.>"
        patterns += [own, f"$JS.API.DIRECT.GET.{IN_FLIGHT.name}.{own}", *_history(IN_FLIGHT)]
    return tuple(patterns)


def _history(stream: Stream) -> tuple[str, ...]:
    """Reading a stream from its start, by a consumer of one's own."""
    return f"$JS.API.CONSUMER.CREATE.{stream.name}.>", f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.>"


def _retries(*consumers: Consumer) -> tuple[str, ...]:
    """Trying a dead letter again: read it and its original. The health service, which asks for it, removes it."""
    return "$JS.API.DIRECT.GET.DEADLETTERS", *sorted({f"$JS.API.DIRECT.GET.{c.stream}" for c in consumers})


GUARDED = tuple(
    pattern
    for consumer in CONSUMERS
    for place in (f"{consumer.stream}.{consumer.name}",)
    for pattern in (
        f"$JS.API.CONSUMER.CREATE.{place}",
        f"$JS.API.CONSUMER.CREATE.{place}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{place}",
    )
)
"""Who may make consumers of its own on a stream may neither replace those of the stages nor take their messages."""


GRANTS = {
    Stage.WATCHER: Grant(
        (
            subjects.CHANGED,
            f"heartbeats.{Stage.WATCHER}.>",
            f"deadletters.{Stage.WATCHER}",
            *_history(TRANSCRIPTS),
        ),
        (subjects.FORGOTTEN,),
    ),
    Stage.EMBEDDER: Grant(
        (
            subjects.EMBEDDED,
            f"heartbeats.{Stage.EMBEDDER}.>",
            f"deadletters.{Stage.EMBEDDER}",
            *_reads(EMBEDDER),
            *_retries(EMBEDDER),
            f"$JS.API.DIRECT.GET.TRANSCRIPTS.{subjects.FORGOTTEN}",
        ),
        (
            subjects.EMBED_QUERY,
            subjects.EMBED_AGAIN,
            subjects.retry(Stage.EMBEDDER),
            subjects.FORGOTTEN,
            subjects.heartbeats_of(Stage.EMBEDDER),  # how many share the work
        ),
        responds=True,
        works=True,
    ),
    Stage.WRITER: Grant(
        (
            f"heartbeats.{Stage.WRITER}.>",
            f"deadletters.{Stage.WRITER}",
            *_reads(WRITER_TRANSCRIPTS, WRITER_EMBEDDINGS),
            *_history(TRANSCRIPTS),  # into a database without rows
            *_history(EMBEDDINGS),
            *_retries(WRITER_TRANSCRIPTS, WRITER_EMBEDDINGS),
        ),
        (subjects.retry(Stage.WRITER),),
        responds=True,
        works=True,
    ),
    Stage.HEALTH: Grant(
        (
            f"heartbeats.{Stage.HEALTH}.>",
            "$JS.API.STREAM.INFO.*",
            "$JS.API.CONSUMER.INFO.*.*",
            *(subject for stream in (HEARTBEATS, HEALTH, DEADLETTERS) for subject in _history(stream)),
            "$JS.API.DIRECT.GET.TRANSCRIPTS",
            "$JS.API.DIRECT.GET.EMBEDDINGS",
            *(f"$JS.API.STREAM.CREATE.{stream.name}" for stream in VOLATILE),
            f"$JS.API.STREAM.MSG.DELETE.{DEADLETTERS.name}",  # one that was dropped, or done
            *HEALTH_STATE.subjects,
            f"$JS.API.DIRECT.GET.{HEALTH_STATE.name}.{HEALTH_STATE.subjects[0]}",
            subjects.HEALTH_CHANGED,
            subjects.ALERT_DELIVERED,
            subjects.LETTER_DROPPED,
            subjects.RETRIES,
            subjects.EMBED_QUERY,
        ),
        (subjects.HEARTBEATS,),
    ),
}
"""Least privilege, by stage: nobody here may purge, delete or change a stream."""

READER = Grant(
    (
        "$JS.API.INFO",
        *(f"$JS.API.STREAM.{verb}" for verb in ("NAMES", "LIST", "INFO.*", "MSG.GET.*")),
        *(f"$JS.API.CONSUMER.{verb}" for verb in ("NAMES.*", "LIST.*", "INFO.*.*")),
        *(subject for stream in STREAMS for subject in _history(stream)),
        *(f"$JS.API.DIRECT.GET.{stream.name}{rest}" for stream in STREAMS for rest in ("", ".>")),
        subjects.EMBED_QUERY,
    ),
    (subjects.TRANSCRIPTS, subjects.HEARTBEATS, subjects.DEADLETTERS, "health.>", "$JS.EVENT.ADVISORY.>"),
)
"""Of a person who only looks: search, verify, restore, doctor, and `nats --context mnemo`."""


def edge(name: str) -> Grant:
    """Of the watcher of another machine: it reads and writes what its own name stands under, and nothing else."""
    reads = (subjects.changed_at(name), subjects.forgotten_at(name))
    return Grant(
        (
            subjects.changed_at(name),
            subjects.heartbeat(Stage.WATCHER, name),
            # The filter of a consumer stands in the subject of the request that makes it.
            *(f"$JS.API.CONSUMER.CREATE.{TRANSCRIPTS.name}.*.{subject}" for subject in reads),
            f"$JS.API.CONSUMER.MSG.NEXT.{TRANSCRIPTS.name}.*",
        ),
        (subjects.forgotten_at(name),),
    )
