"""Positions from the log: the last checkpoint of every transcript, headers only.

The log is the only memory of the watcher. Losing its machine loses nothing.
"""

from __future__ import annotations

import uuid

import msgspec
import nats.errors
from nats.js import api
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import Checkpoint
from runtime.bus import Bus
from runtime.errors import Transient
from runtime.logs import Log

log = Log("mnemo.catalog")


async def load(bus: Bus) -> dict[str, Checkpoint]:
    """Transcript id to its last checkpoint. Raises Transient when the bus fails meanwhile."""
    try:
        info = await bus.stream.add_consumer(
            topology.TRANSCRIPTS.name,
            api.ConsumerConfig(
                name=f"positions-{uuid.uuid4().hex[:12]}",
                filter_subject=subjects.CHANGED,
                deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
                ack_policy=api.AckPolicy.NONE,
                headers_only=True,
                mem_storage=True,
                inactive_threshold=30.0,
            ),
        )
        subscription = await bus.stream.pull_subscribe_bind(info.name, topology.TRANSCRIPTS.name)
        left = info.num_pending or 0
        found: dict[str, Checkpoint] = {}
        while left > 0:
            for message in await subscription.fetch(min(left, 500), timeout=5):
                left -= 1
                try:
                    checkpoint = codec.decode_checkpoint((message.headers or {})[codec.CHECKPOINT_HEADER])
                except (KeyError, msgspec.DecodeError, msgspec.ValidationError) as error:
                    log.error("segment without a checkpoint", subject=message.subject, error=str(error))
                    continue
                found[checkpoint.transcript] = checkpoint
        await subscription.unsubscribe()
        return found
    except (nats.errors.Error, TimeoutError, APIError) as error:
        raise Transient(f"positions cannot be read from the log: {error or type(error).__name__}") from error
