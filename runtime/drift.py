"""What a server's streams and consumers should be, by contracts/topology.py, and how they differ from it. Pure.

The one comparison: provisioning, the health service and `mnemo doctor` all use it. Configurations are those of the
JetStream API as JSON objects (https://docs.nats.io/reference/reference-protocols/nats_api_reference), times in
nanoseconds; what the server leaves out has the value in `DEFAULTS_*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from mnemostream.contracts.topology import Consumer, Stream

Config = Mapping[str, Any]

NANOSECONDS = 10**9

DEFAULTS_STREAM: Config = {
    "subjects": [],
    "storage": "file",
    "retention": "limits",
    "discard": "old",
    "max_age": 0,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "max_consumers": -1,
    "duplicate_window": 0,
    "compression": "none",
    "allow_direct": False,
    "allow_atomic": False,
    "no_ack": False,
    "sealed": False,
    "deny_delete": False,
    "deny_purge": False,
    "discard_new_per_subject": False,
    "mirror": None,
    "sources": None,
    "subject_transform": None,
    "republish": None,
}
DEFAULTS_CONSUMER: Config = {
    "filter_subject": "",
    "filter_subjects": None,
    "deliver_subject": "",
    "deliver_policy": "all",
    "opt_start_seq": 0,
    "ack_policy": "explicit",
    "ack_wait": 0,
    "max_deliver": -1,
    "max_ack_pending": 0,
    "replay_policy": "instant",
    "headers_only": False,
    "backoff": None,
    "inactive_threshold": 0,
    "max_batch": 0,
    "max_bytes": 0,
    "max_expires": 0,
}
SET_BY_PEOPLE = ("max_bytes", "num_replicas")
"""Of a stream: whatever a person has set is right."""
UPDATED_ALWAYS = frozenset({"subjects", *SET_BY_PEOPLE})
"""A newer version takes more subjects, and sizes are settings: brought in line without being asked."""
FIXED_STREAM = frozenset(
    {"storage", "retention", "max_consumers", "sealed", "deny_delete", "deny_purge", "mirror", "sources"}
)
"""Of a stream: the server changes these for nobody, or not back."""
FIXED_CONSUMER = frozenset({"deliver_policy", "opt_start_seq", "ack_policy", "replay_policy", "deliver_subject"})
"""The same of a consumer."""
SKIPS = frozenset({"filter_subject", "filter_subjects", "max_deliver", "headers_only", "inactive_threshold"})
"""What a consumer had otherwise may have made it skip messages: it must read its stream again."""


class Repair(StrEnum):
    """What brings a thing in line."""

    CREATE = "create it"
    UPDATE = "update it"
    RESUME = "resume it"
    RECREATE = "delete and recreate it"


class Drift(msgspec.Struct, frozen=True):
    """How one stream or consumer differs from the topology."""

    stream: str
    consumer: str
    """Empty for a stream."""
    cause: str
    """In words, with the name."""
    repair: Repair

    @property
    def place(self) -> str:
        """`STREAM` or `STREAM.consumer`."""
        return f"{self.stream}.{self.consumer}" if self.consumer else self.stream


def stream_config(stream: Stream) -> dict[str, Any]:
    """The configuration of a stream as it is created."""
    window = min(stream.duplicate_window, stream.max_age or stream.duplicate_window)
    return {
        "name": stream.name,
        "description": stream.description,
        "num_replicas": 1,
        "max_bytes": stream.max_bytes,
        **DEFAULTS_STREAM,
        "subjects": list(stream.subjects),
        "storage": stream.storage,
        "discard": stream.discard,
        "max_age": int(stream.max_age * NANOSECONDS),
        "max_msgs_per_subject": stream.max_msgs_per_subject,
        "duplicate_window": int(window * NANOSECONDS),
        "allow_direct": True,
        "allow_atomic": stream.allow_atomic,
    }


def consumer_config(consumer: Consumer, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The configuration of a consumer as it is created."""
    return {
        "durable_name": consumer.name,
        "name": consumer.name,
        "description": consumer.description,
        **DEFAULTS_CONSUMER,
        "filter_subject": consumer.filter,
        "ack_wait": int(consumer.ack_wait * NANOSECONDS),
        "max_ack_pending": consumer.max_ack_pending,
        **({"metadata": dict(metadata)} if metadata else {}),
    }


def of_stream(stream: Stream, config: Config | None) -> Drift | None:
    """How a stream differs; `config` is its configuration at the server, None if it is not there."""
    if config is None:
        return Drift(stream.name, "", f"stream {stream.name} is missing", Repair.CREATE)
    changed = differences(config, stream_config(stream), DEFAULTS_STREAM)
    if not changed:
        return None
    repair = Repair.RECREATE if FIXED_STREAM & changed.keys() else Repair.UPDATE
    return Drift(stream.name, "", f"stream {stream.name} was changed: {_describe(changed)}", repair)


def of_consumer(consumer: Consumer, config: Config | None, paused_seconds: float = 0.0) -> Drift | None:
    """How a consumer differs; `paused_seconds` for how long it is still paused."""
    name = f"consumer {consumer.name} of {consumer.stream}"
    if config is None:
        return Drift(consumer.stream, consumer.name, f"{name} is missing", Repair.CREATE)
    changed = differences(config, consumer_config(consumer), DEFAULTS_CONSUMER)
    if changed:
        repair = Repair.RECREATE if (FIXED_CONSUMER | SKIPS) & changed.keys() else Repair.UPDATE
        return Drift(consumer.stream, consumer.name, f"{name} was changed: {_describe(changed)}", repair)
    if paused_seconds > 0:
        cause = f"{name} is paused for another {paused_seconds:.0f} s"
        return Drift(consumer.stream, consumer.name, cause, Repair.RESUME)
    return None


def differences(actual: Config, wanted: Config, defaults: Config) -> dict[str, tuple[Any, Any]]:
    """Setting to what it is and what it should be."""
    pairs = {name: (_known(actual, name, defaults), _known(wanted, name, defaults)) for name in defaults}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _known(config: Config, name: str, defaults: Config) -> Any:
    value = config.get(name, defaults[name])
    return sorted(value) if name == "subjects" else (value or defaults[name])


def _describe(changed: Mapping[str, tuple[Any, Any]]) -> str:
    return "; ".join(f"{name} is {actual!r}, should be {wanted!r}" for name, (actual, wanted) in changed.items())
