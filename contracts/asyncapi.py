"""The contract as an AsyncAPI 3 document, made from the events and the topology.

python -m mnemostream.contracts.asyncapi > contracts/asyncapi.json
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

import msgspec

from mnemostream.contracts import subjects, topology
from mnemostream.contracts.events import (
    AlertDelivered,
    DeadLetter,
    DeadLetterDropped,
    HealthChanged,
    Heartbeat,
    InFlight,
    Suspect,
)
from mnemostream.contracts.requests import EmbedAgain, EmbedQuery, EmbedReply, Retry, RetryReply
from mnemostream.contracts.transcripts import RecordsEmbedded, RecordsReparsed, TranscriptChanged, TranscriptForgotten

CHANNELS: dict[str, tuple[str, type[msgspec.Struct], dict[str, str]]] = {
    "transcriptsChanged": (
        "transcripts.changed.{source}.{transcript}",
        TranscriptChanged,
        {"source": "assistant family", "transcript": "transcript id"},
    ),
    "transcriptsChangedAtEdge": (
        "transcripts.changed.{source}.{transcript}.{edge}",
        TranscriptChanged,
        {"source": "assistant family", "transcript": "transcript id", "edge": "name of the machine that ships it"},
    ),
    "transcriptsReparsed": (
        "transcripts.reparsed.{source}.{transcript}",
        RecordsReparsed,
        {"source": "assistant family", "transcript": "transcript id"},
    ),
    "transcriptsForgotten": (
        "transcripts.forgotten.{source}.{transcript}",
        TranscriptForgotten,
        {"source": "assistant family", "transcript": "transcript id"},
    ),
    "transcriptsForgottenAtEdge": (
        "transcripts.forgotten.{source}.{transcript}.{edge}",
        TranscriptForgotten,
        {"source": "assistant family", "transcript": "transcript id", "edge": "name of the machine that shipped it"},
    ),
    "transcriptsEmbedded": (
        "transcripts.embedded.{source}.{transcript}",
        RecordsEmbedded,
        {"source": "assistant family", "transcript": "transcript id"},
    ),
    "heartbeats": (
        "heartbeats.{stage}.{instance}",
        Heartbeat,
        {"stage": "watcher, embedder, writer or health", "instance": "name of the process"},
    ),
    "inFlight": (
        "inflight.{stage}.{instance}.{stream}",
        InFlight,
        {"stage": "embedder or writer", "instance": "name of the process", "stream": "where the messages come from"},
    ),
    "suspects": (
        "suspects.{stream}.{consumer}.{sequence}",
        Suspect,
        {"stream": "its stream", "consumer": "who reads it", "sequence": "its sequence in the stream"},
    ),
    "deadletters": ("deadletters.{stage}", DeadLetter, {"stage": "who gave up"}),
    "healthChanged": (
        "health.changed.{component}",
        HealthChanged,
        {"component": "a stage, bus, overall, …"},
    ),
    "alertDelivered": (
        "health.alerted.{component}",
        AlertDelivered,
        {"component": "a stage, bus, database or canary"},
    ),
    "letterDropped": ("health.dropped.{stage}", DeadLetterDropped, {"stage": "who had given the message up"}),
    "retry": ("requests.retry.{stage}", Retry, {"stage": "who gave the message up"}),
    "retryReply": (
        "_INBOX_{user}.{inbox}",
        RetryReply,
        {"user": "user of the bus who asks", "inbox": "reply subject of the request"},
    ),
    "embedAgain": (subjects.EMBED_AGAIN, EmbedAgain, {}),
    "embedQuery": (subjects.EMBED_QUERY, EmbedQuery, {}),
    "embedReply": (
        "_INBOX_{user}.{inbox}",
        EmbedReply,
        {"user": "user of the bus who asks", "inbox": "reply subject of the request"},
    ),
}


def document() -> dict[str, Any]:
    """AsyncAPI 3.0.0; https://www.asyncapi.com/docs/reference/specification/v3.0.0."""
    kinds = [kind for _, kind, _ in CHANNELS.values()]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    channels = {}
    operations = {}
    messages = {}
    for (name, (address, kind, parameters)), schema in zip(CHANNELS.items(), schemas, strict=True):
        title = kind.__name__
        channels[name] = {
            "address": address,
            "messages": {title: {"$ref": f"#/components/messages/{title}"}},
            "parameters": {key: {"description": text} for key, text in parameters.items()},
        }
        messages[title] = {"contentType": "application/json", "payload": schema}
        operations[f"publish{title}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Mnemostream", "version": "1", "description": "Events of the transcript pipeline."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": components},
        "x-jetstream": {
            "streams": msgspec.to_builtins(topology.STREAMS),
            "consumers": msgspec.to_builtins(topology.CONSUMERS),
        },
    }


def text() -> str:
    """The document as it is committed."""
    made = msgspec.json.encode(_cleaned(document()), order="deterministic")
    return msgspec.json.format(made, indent=2).decode() + "\n"


def _cleaned(value: Any) -> Any:
    """With the descriptions, which are docstrings, as every Python has them: since 3.13 they are dedented."""
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: inspect.cleandoc(item) if key == "description" and isinstance(item, str) else _cleaned(item)
        for key, item in value.items()
    }


if __name__ == "__main__":
    sys.stdout.write(text())
