"""Every subject, built in one place. Tokens are made safe here and nowhere else."""

from __future__ import annotations

import re

from mnemostream.contracts.events import Stage

TRANSCRIPTS = "transcripts.*.*.*"
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


def changed(source: str, transcript: str) -> str:
    """Subject of the segments of one transcript."""
    return f"transcripts.changed.{token(source)}.{token(transcript)}"


def reparsed(source: str, transcript: str) -> str:
    """Subject of the records of one transcript by a newer parser."""
    return f"transcripts.reparsed.{token(source)}.{token(transcript)}"


def forgotten(source: str, transcript: str) -> str:
    """Subject of the tombstone of one transcript."""
    return f"transcripts.forgotten.{token(source)}.{token(transcript)}"


def of_transcript(transcript: str) -> tuple[str, str]:
    """Filters of all segments and records of one transcript, whatever its source."""
    return f"transcripts.changed.*.{token(transcript)}", f"transcripts.reparsed.*.{token(transcript)}"


def source_and_transcript(subject: str) -> tuple[str, str]:
    """The last two tokens of a subject of a transcript.

    >>> source_and_transcript("transcripts.changed.codex.s-1")
    ('codex', 's-1')
    """
    source, transcript = subject.split(".")[2:4]
    return source, transcript


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
