"""The messages that a stream still holds, from a sequence on."""

from __future__ import annotations

import uuid

import nats.errors
from nats.js import api as js
from nats.js.errors import APIError, NotFoundError

from contracts import topology
from runtime.bus import Bus
from runtime.errors import Transient

Stored = tuple[int, float, bytes]
"""Sequence, Unix time at which the server stored it, payload."""


async def history(bus: Bus, stream: str, first: int = 1) -> list[Stored]:
    """All messages from sequence `first` on, in their order. Raises Transient."""
    found: list[Stored] = []
    config = js.ConsumerConfig(
        name=f"health-{uuid.uuid4().hex[:12]}",
        deliver_policy=js.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(1, first),
        ack_policy=js.AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=30.0,
    )
    try:
        info = await bus.stream.add_consumer(stream, config, timeout=5)
        pending = info.num_pending or 0
        subscription = await bus.stream.pull_subscribe_bind(info.name, stream, pending_bytes_limit=-1)
        while len(found) < pending:
            wanted = min(topology.FETCH_MESSAGES if stream != topology.DEADLETTERS.name else 4, pending - len(found))
            for message in await subscription.fetch(wanted, timeout=5):
                at = message.metadata
                found.append((at.sequence.stream, at.timestamp.timestamp(), message.data))
        await subscription.unsubscribe()
    except NotFoundError as error:
        raise Transient(f"stream {stream} is missing; run `python -m runtime.provision`") from error
    except (nats.errors.Error, APIError, TimeoutError, OSError) as error:
        raise Transient(f"stream {stream} cannot be read: {error or type(error).__name__}") from error
    return found
