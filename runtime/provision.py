"""Creates the streams and consumers of contracts/topology.py, or verifies them; fails on drift.

    python -m mnemostream.runtime.provision             create what is missing, name what differs
    python -m mnemostream.runtime.provision --repair    also bring in line what can be without losing a message

Idempotent. One change is made by itself: a consumer with `model` in its metadata that meets another model
is recreated from the start of the log, so that every text gets a vector of the new model.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from mnemostream.contracts import topology
from mnemostream.contracts.topology import Consumer, Stream
from mnemostream.runtime import bus, drift
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.connection import api
from mnemostream.runtime.drift import Drift, Repair
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.settings import Common
from mnemostream.runtime.tasks import either

log = Log("mnemo.provision")

PATIENCE_SECONDS, AGAIN_SECONDS = 60.0, 1.0
"""So long they may take; time between two tries."""
REPAIR = "--repair"


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_NATS_URL`, `MNEMO_EMBEDDER_MODEL`, `MNEMO_STREAM_REPLICAS`, `MNEMO_STREAM_MAX_BYTES`."""

    embedder_model: str = ""
    """Name of the embedding model; empty = leave the embedder's consumer unchanged."""
    stream_replicas: int = 0
    """Copies of each stream: 3 on a cluster of three servers; 0 = unchanged, 1 for a new stream."""
    stream_max_bytes: int = 0
    """Size limit of TRANSCRIPTS and of EMBEDDINGS, bytes; 0 = unchanged, 64 GiB for a new stream."""


async def main(settings: Settings, stop: asyncio.Event, *, repair: bool = False) -> None:
    """Brings the server to the state that the topology describes. Raises Misconfigured for drift that it leaves."""
    async with bus.connect(settings.nats_url, name="provision") as nats:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_SECONDS
        while True:
            try:
                left = await _all(nats, settings, repair=repair)
                break
            except Transient as error:
                if stop.is_set() or loop.time() > end:
                    raise
                log.info("not ready; trying again", error=str(error))
                await either(stop, within=AGAIN_SECONDS)
    if left:
        raise Misconfigured("the server differs from the topology:\n" + "\n".join(f"  {line}" for line in left))
    log.info("provisioned", streams=len(topology.STREAMS), consumers=len(topology.CONSUMERS))


async def _all(nats: Bus, settings: Settings, *, repair: bool) -> list[str]:
    """What is left to do by hand. Raises Transient while the servers are finding each other."""
    left = []
    for stream in topology.STREAMS:
        left += await _stream(nats, stream, settings, repair=repair)
    for consumer in topology.CONSUMERS:
        model = settings.embedder_model if consumer == topology.EMBEDDER else ""
        left += await _consumer(nats, consumer, model, repair=repair)
    return left


async def volatile(nats: Bus) -> None:
    """Creates the streams in memory if they are missing: a lone server forgets them at a restart.

    Raises Transient, Misconfigured.
    """
    for stream in topology.VOLATILE:
        if await api.info(nats, f"STREAM.INFO.{stream.name}") is None:
            await api.ask(nats, f"STREAM.CREATE.{stream.name}", drift.stream_config(stream))


async def drifts(nats: Bus) -> list[Drift]:
    """All that differs at the server. Raises Transient."""
    faults = []
    for stream in topology.STREAMS:
        info = await api.info(nats, f"STREAM.INFO.{stream.name}")
        faults.append(drift.of_stream(stream, info.config if info else None))
    for consumer in topology.CONSUMERS:
        info = await api.info(nats, f"CONSUMER.INFO.{consumer.stream}.{consumer.name}")
        paused = info.pause_remaining / drift.NANOSECONDS if info else 0.0
        faults.append(drift.of_consumer(consumer, info.config if info else None, paused))
    return [fault for fault in faults if fault]


async def _stream(nats: Bus, stream: Stream, settings: Settings, *, repair: bool) -> list[str]:
    """What is left to do by hand."""
    info = await api.info(nats, f"STREAM.INFO.{stream.name}")
    wanted = drift.stream_config(stream) | _sizes(stream, settings)
    if info is None:
        await api.ask(nats, f"STREAM.CREATE.{stream.name}", wanted)
        log.info("stream created", stream=stream.name)
        return []
    kept = {name: info.config.get(name) for name in drift.SET_BY_PEOPLE if name not in _sizes(stream, settings)}
    wanted |= kept
    fault = drift.of_stream(stream, info.config)
    changed = drift.differences(info.config, wanted, drift.DEFAULTS_STREAM).keys()
    wanted["description"] = info.config.get("description") or stream.description
    resized = any(info.config.get(name) != wanted[name] for name in (*drift.SET_BY_PEOPLE, "description"))
    lost = set(info.config.get("subjects") or []) - set(stream.subjects)
    harmless = changed <= drift.UPDATED_ALWAYS and not lost
    if fault and fault.repair is Repair.RECREATE and (not repair or (info.state.messages and not _can_go(stream))):
        return [_by_hand(stream, fault, info) if repair else f"{fault.cause}; {_would(fault)}"]
    if fault and not (repair or harmless):
        return [f"{fault.cause}; {_would(fault)}"]
    if fault and fault.repair is Repair.RECREATE:
        await api.ask(nats, f"STREAM.DELETE.{stream.name}", None)
        await api.ask(nats, f"STREAM.CREATE.{stream.name}", wanted)
        log.warning("stream recreated", stream=stream.name, because=fault.cause)
    elif fault or resized:
        await api.ask(nats, f"STREAM.UPDATE.{stream.name}", {**info.config, **wanted})
        log.info("stream updated", stream=stream.name, because=fault.cause if fault else "by its settings")
    return []


def _sizes(stream: Stream, settings: Settings) -> dict[str, int]:
    """What somebody asks for; all other sizes stay as somebody has set them before."""
    sizes = {"num_replicas": settings.stream_replicas} if settings.stream_replicas else {}
    if settings.stream_max_bytes and stream in (topology.TRANSCRIPTS, topology.EMBEDDINGS):
        sizes["max_bytes"] = settings.stream_max_bytes
    return sizes


def _can_go(stream: Stream) -> bool:
    """True for a stream whose messages are lost at a restart anyway."""
    return stream in topology.VOLATILE


def _would(fault: Drift) -> str:
    return f"`python -m mnemostream.runtime.provision --repair` would {fault.repair}"


def _by_hand(stream: Stream, fault: Drift, info: api.Info) -> str:
    """The server cannot change it in place, and it holds messages: a person decides."""
    name = stream.name
    return (
        f"{fault.cause}; it holds {info.state.messages} messages and cannot be changed in place, so nothing was done. "
        f"To recreate it with its messages: `nats backup stream {name} ./{name}`, `nats stream rm {name}`, "
        f"`python -m mnemostream.runtime.provision`, then publish the messages of the backup again, "
        f"or start from the files on disk: the watcher publishes what the log lacks"
    )


async def _consumer(nats: Bus, consumer: Consumer, model: str, *, repair: bool) -> list[str]:
    """What is left to do by hand."""
    place = f"{consumer.stream}.{consumer.name}"
    info = await api.info(nats, f"CONSUMER.INFO.{place}")
    before = (info.config.get("metadata") or {}).get("model", "") if info else ""
    metadata = {"model": model or before} if model or before else None
    create = partial(_create, nats, consumer, drift.consumer_config(consumer, metadata))
    if info is None:
        await create()
        log.info("consumer created", consumer=place)
        return []
    fault = drift.of_consumer(consumer, info.config, info.pause_remaining / drift.NANOSECONDS)
    former = info.config.get("filter_subject") in topology.FORMER_FILTERS
    model_changed = bool(model) and before != model
    if fault and not (repair or former):
        return [f"{fault.cause}; {_would(fault)}"]
    if fault and fault.repair is Repair.RESUME:
        await api.ask(nats, f"CONSUMER.PAUSE.{place}", {})
        log.info("consumer resumed", consumer=place)
    elif (fault and fault.repair is Repair.RECREATE and not former) or model_changed:
        await recreate(nats, consumer, metadata)
    elif fault or not info.config.get("description"):
        await create()
        log.info("consumer updated", consumer=place, because=fault.cause if fault else "it had no description")
    return []


async def recreate(nats: Bus, consumer: Consumer, metadata: dict[str, str] | None = None) -> None:
    """Makes a consumer anew: it reads its stream from the start, so nothing is skipped, and repeats are harmless.

    Raises Transient, Misconfigured.
    """
    place = f"{consumer.stream}.{consumer.name}"
    await api.ask(nats, f"CONSUMER.DELETE.{place}", None)
    await _create(nats, consumer, drift.consumer_config(consumer, metadata))
    log.warning("consumer recreated; it rereads the log from the start", consumer=place)


async def _create(nats: Bus, consumer: Consumer, config: dict[str, Any]) -> None:
    """Also updates one that is there; the answer to an update may still tell the old state."""
    subject = f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}"
    if consumer.filter:
        subject += f".{consumer.filter}"
    await api.ask(nats, subject, {"stream_name": consumer.stream, "config": config})
    for _ in range(50):
        info = await api.info(nats, f"CONSUMER.INFO.{consumer.stream}.{consumer.name}")
        if info and not drift.of_consumer(consumer, info.config):
            return
        await asyncio.sleep(0.1)


def _arguments(argv: Sequence[str]) -> bool:
    """True for `--repair`. Raises SystemExit for what is not understood."""
    if unknown := [argument for argument in argv if argument not in (REPAIR, lifecycle.CHECK)]:
        sys.exit(f"unknown argument {unknown[0]}: the only option is {REPAIR}")
    return REPAIR in argv


if __name__ == "__main__":
    lifecycle.run(partial(main, repair=_arguments(sys.argv[1:])), Settings, None)
