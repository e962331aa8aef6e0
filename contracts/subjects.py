"""Every subject, built in one place. Tokens are made safe here and nowhere else."""

from __future__ import annotations

import re

from mnemostream.contracts.events import Stage

TRANSCRIPTS = "transcripts.>"
"""Everything in the stream TRANSCRIPTS; the next three are its parts."""
CHANGED = "transcripts.changed.>"
REPARSED = "transcripts.reparsed.>"
FORGOTTEN = "transcripts.forgotten.>"
EMBEDDED = "transcripts.embedded.>"
HEARTBEATS = "heartbeats.>"
DEADLETTERS = "deadletters.>"
IN_FLIGHT = "inflight.>"
SUSPECTS = "suspects.>"
ADVISORIES = (
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
)
HEALTH_CHANGED = "health.changed.>"
ALERT_DELIVERED = "health.alerted.>"
LETTER_DROPPED = "health.dropped.>"
EMBED_QUERY = "queries.embed"
RETRIES = "requests.retry.>"
EMBED_AGAIN = "requests.embed"


def token(text: str) -> str:
    """`text` as one subject token: letters, digits, '-' and '_'; at most 64 characters.

    >>> token("my.laptop local")
    'my-laptop-local'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:64] or "none"


def changed(source: str, transcript: str, edge: str = "") -> str:
    """Subject of the segments of one transcript; what an edge ships has the name of the edge as its last token, so that
    the server lets it read and write its own and nothing else."""
    return f"transcripts.changed.{token(source)}.{token(transcript)}" + _last(edge)


def reparsed(source: str, transcript: str) -> str:
    """Subject of the records of one transcript by a newer parser."""
    return f"transcripts.reparsed.{token(source)}.{token(transcript)}"


def forgotten(source: str, transcript: str, edge: str = "") -> str:
    """Subject of the tombstone of one transcript; an edge hears of its own by a second one, with its name."""
    return f"transcripts.forgotten.{token(source)}.{token(transcript)}" + _last(edge)


def at(subject: str, edge: str) -> str:
    """A subject of a transcript that an edge ships, or hears of; without a name, as it is."""
    return subject + _last(edge)


def _last(edge: str) -> str:
    return f".{token(edge)}" if edge else ""


def segments(source: str, transcript: str) -> tuple[str, str]:
    """Filters of all segments of one transcript, wherever it was captured."""
    return changed(source, transcript), f"{changed(source, transcript)}.*"


def of_transcript(transcript: str) -> tuple[str, ...]:
    """Filters of all segments and records of one transcript, whatever its source."""
    name = token(transcript)
    return f"transcripts.changed.*.{name}", f"transcripts.changed.*.{name}.*", f"transcripts.reparsed.*.{name}"


def changed_at(edge: str) -> str:
    """All segments that one edge has shipped; without a name, all there are."""
    return f"transcripts.changed.*.*{_last(edge)}" if edge else CHANGED


def forgotten_at(edge: str) -> str:
    """The tombstones that one edge hears of; without a name, all there are."""
    return f"transcripts.forgotten.*.*{_last(edge)}" if edge else FORGOTTEN


def source_and_transcript(subject: str) -> tuple[str, str]:
    """The two tokens of a subject that say whose it is.

    >>> source_and_transcript("transcripts.changed.codex.s-1")
    ('codex', 's-1')
    """
    source, transcript = subject.split(".")[2:4]
    return source, transcript


def edge_of(subject: str) -> str:
    """The edge that a segment came from; "" = a watcher beside the server.

    >>> edge_of("transcripts.changed.codex.s-1.laptop-3f2a")
    'laptop-3f2a'
    """
    tokens = subject.split(".")
    return tokens[4] if len(tokens) > 4 and tokens[:2] == ["transcripts", "changed"] else ""


def embedded(source: str, transcript: str) -> str:
    """Subject of the vectors of one transcript."""
    return f"transcripts.embedded.{token(source)}.{token(transcript)}"


def heartbeats_of(stage: Stage) -> str:
    """Those of all instances of a stage."""
    return f"heartbeats.{stage}.*"


def heartbeat(stage: Stage, instance: str) -> str:
    """Subject of the signs of life of one instance."""
    return f"heartbeats.{stage}.{token(instance)}"


def deadletter(stage: Stage) -> str:
    """Subject of what one stage has given up."""
    return f"deadletters.{stage}"


def in_flight(stage: Stage, instance: str, stream: str) -> str:
    """Subject of what one worker has in hand of one stream; `instance` `*` = all workers."""
    return f"inflight.{stage}.{instance if instance == '*' else token(instance)}.{stream}"


def suspect(stream: str, consumer: str, sequence: int | str) -> str:
    """Subject of the suspicion against one message; `sequence` is that of the stream, or `*`."""
    return f"suspects.{stream}.{consumer}.{sequence}"


def health_changed(component: str) -> str:
    """Subject of the status changes of one component."""
    return f"health.changed.{token(component)}"


def alert_delivered(component: str) -> str:
    """Subject of the alerts about one component that people have got."""
    return f"health.alerted.{token(component)}"


def letter_dropped(stage: str) -> str:
    """Subject of the dead letters of one stage that people have dropped."""
    return f"health.dropped.{token(stage)}"


def retry(stage: Stage) -> str:
    """Subject on which the workers of one stage take requests to try a dead letter again."""
    return f"requests.retry.{stage}"


def inbox(user: str) -> str:
    """How the reply subjects of one user of the bus begin: nobody else may listen there."""
    return f"_INBOX_{token(user)}" if user else "_INBOX"
