"""Every subject, built in one place. Tokens are made safe here and nowhere else."""

from __future__ import annotations

import re

from contracts.events import Stage

CHANGED = "transcripts.changed.>"
EMBEDDED = "transcripts.embedded.>"
HEARTBEATS = "heartbeats.>"
DEADLETTERS = "deadletters.>"
ADVISORIES = (
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
)
EMBED_QUERY = "queries.embed"


def token(text: str) -> str:
    """`text` as one subject token: letters, digits, '-' and '_'; at most 64 characters.

    >>> token("my.laptop local")
    'my-laptop-local'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:64] or "none"


def changed(source: str, transcript: str) -> str:
    """Subject of the segments of one transcript."""
    return f"transcripts.changed.{token(source)}.{token(transcript)}"


def embedded(source: str, transcript: str) -> str:
    """Subject of the vectors of one transcript."""
    return f"transcripts.embedded.{token(source)}.{token(transcript)}"


def heartbeat(stage: Stage, instance: str) -> str:
    """Subject of the signs of life of one instance."""
    return f"heartbeats.{stage}.{token(instance)}"


def deadletter(stage: Stage) -> str:
    """Subject of what one stage has given up."""
    return f"deadletters.{stage}"
