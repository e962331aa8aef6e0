"""Creates the streams and consumers of contracts/topology.py, or verifies them; fails on drift.

    python -m runtime.provision

Idempotent. One change is made by itself: a consumer with `model` in its metadata that meets another model
is made anew from the start of the log, so that every text gets a vector of the new model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from contracts import topology
from runtime import bus
from runtime.errors import Misconfigured
from runtime.logs import Log
from runtime.process import lifecycle
from runtime.settings import Common

log = Log("mnemo.provision")

SIZES = ("max_bytes", "num_replicas")
"""A person's to set."""
FIXED = ("storage", "discard", "retention", "max_age", "max_msgs_per_subject", "allow_direct")


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_NATS_URL`, `MNEMO_MODEL`, `MNEMO_STREAM_REPLICAS`, `MNEMO_STREAM_MAX_BYTES`."""

    model: str = ""
    """Name of the embedding model; empty = leave the embedder's consumer as it is."""
    stream_replicas: int = 0
    """Copies of each stream: 3 on a cluster of three servers; 0 = as it is, 1 where a stream is new."""
    stream_max_bytes: int = 0
    """Bound of TRANSCRIPTS and of EMBEDDINGS, bytes; 0 = as it is, 64 GiB where a stream is new."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Brings the server to the state that the topology describes."""
    async with bus.connect(settings.nats_url, name="provision") as nats:
        for stream in topology.STREAMS:
            await _stream(nats.stream, _stream_config(stream, settings), _kept(settings))
        for consumer in topology.CONSUMERS:
            await _consumer(nats.stream, consumer, settings.model if consumer == topology.EMBEDDER else "")
    log.info("provisioned", streams=len(topology.STREAMS), consumers=len(topology.CONSUMERS))


async def volatile(js: JetStreamContext) -> None:
    """Makes the streams in memory if they are missing: a lone server forgets them at a restart."""
    for stream in topology.VOLATILE:
        await _stream(js, _stream_config(stream, Settings()))


def _stream_config(stream: topology.Stream, settings: Settings) -> api.StreamConfig:
    resizable = stream in (topology.TRANSCRIPTS, topology.EMBEDDINGS)
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        storage=api.StorageType(stream.storage),
        discard=api.DiscardPolicy(stream.discard),
        retention=api.RetentionPolicy.LIMITS,
        max_bytes=settings.stream_max_bytes if resizable and settings.stream_max_bytes else stream.max_bytes,
        max_age=stream.max_age,
        max_msgs_per_subject=stream.max_msgs_per_subject,
        duplicate_window=min(stream.duplicate_window, stream.max_age or stream.duplicate_window),
        num_replicas=settings.stream_replicas or 1,
        allow_direct=True,
        allow_atomic=stream.allow_atomic,
        compression=api.StoreCompression.NONE,
    )


def _kept(settings: Settings) -> tuple[str, ...]:
    """What nobody has asked for stays as somebody has set it before."""
    asked = {"max_bytes": settings.stream_max_bytes, "num_replicas": settings.stream_replicas}
    return tuple(name for name, value in asked.items() if not value)


async def _stream(js: JetStreamContext, wanted: api.StreamConfig, kept: Sequence[str] = SIZES) -> None:
    name = wanted.name or ""
    try:
        found = (await js.stream_info(name)).config
        for key in kept:
            setattr(wanted, key, getattr(found, key))
    except NotFoundError:
        try:
            await js.add_stream(wanted)
        except APIError as error:
            raise Misconfigured(f"stream {name} cannot be made: {error.description}") from error
        log.info("stream made", stream=name)
        return
    drift = {key: (getattr(found, key), getattr(wanted, key)) for key in FIXED if _differs(found, wanted, key)}
    if drift:
        raise Misconfigured(f"stream {name} differs from the topology: {_told(drift)}")
    extra = set(found.subjects or []) - set(wanted.subjects or [])
    if extra:
        raise Misconfigured(f"stream {name} differs from the topology: it also takes {', '.join(sorted(extra))}")
    changed = [key for key in ("subjects", *SIZES) if _differs(found, wanted, key)]
    if changed:  # a newer version takes more subjects; sizes are settings
        await js.update_stream(wanted)
        log.info("stream updated", stream=name, changed=changed)


async def _consumer(js: JetStreamContext, consumer: topology.Consumer, model: str) -> None:
    wanted = api.ConsumerConfig(
        durable_name=consumer.name,
        name=consumer.name,
        filter_subject=consumer.filter,
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait,
        max_deliver=-1,
        max_ack_pending=consumer.max_ack_pending,
        metadata={"model": model} if model else None,
    )
    try:
        found = (await js.consumer_info(consumer.stream, consumer.name)).config
    except NotFoundError:
        await js.add_consumer(consumer.stream, wanted)
        log.info("consumer made", stream=consumer.stream, consumer=consumer.name)
        return
    if _differs(found, wanted, "filter_subject") and found.filter_subject in topology.FORMER_FILTERS:
        found = await _widened(js, consumer, found, wanted)
        log.info("consumer widened", stream=consumer.stream, consumer=consumer.name)
    keys = ("filter_subject", "ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "deliver_policy")
    drift = {key: (getattr(found, key), getattr(wanted, key)) for key in keys if _differs(found, wanted, key)}
    if drift:
        raise Misconfigured(f"consumer {consumer.name} of {consumer.stream} differs: {_told(drift)}")
    before = (found.metadata or {}).get("model", "")
    if model and before != model:
        await js.delete_consumer(consumer.stream, consumer.name)
        await js.add_consumer(consumer.stream, wanted)
        log.warning("another model: the whole log will be embedded again", before=before, now=model)


async def _widened(
    js: JetStreamContext, consumer: topology.Consumer, found: api.ConsumerConfig, wanted: api.ConsumerConfig
) -> api.ConsumerConfig:
    """A newer version reads more subjects: the consumer keeps its position and its model."""
    await js.add_consumer(consumer.stream, replace(wanted, metadata=found.metadata))
    for _ in range(50):  # the answer to an update may still tell the old state
        now = (await js.consumer_info(consumer.stream, consumer.name)).config
        if now.filter_subject == wanted.filter_subject:
            break
        await asyncio.sleep(0.1)
    return now


def _differs(found: Any, wanted: Any, key: str) -> bool:
    return bool(getattr(found, key) != getattr(wanted, key))


def _told(drift: dict[str, tuple[Any, Any]]) -> str:
    return "; ".join(f"{key} is {found!r}, should be {wanted!r}" for key, (found, wanted) in drift.items())


if __name__ == "__main__":
    lifecycle.run(main, Settings, None)
