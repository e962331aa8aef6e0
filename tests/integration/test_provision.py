"""Every kind of drift is named by the health service, and `--repair` heals it without losing a message."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import msgspec
import pytest

from mnemostream.contracts import subjects, topology
from mnemostream.contracts.topology import Consumer, Stream
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import drift, provision
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.connection import api
from mnemostream.runtime.errors import Misconfigured
from mnemostream.services.health.observe import probe
from tests.conftest import ROOT

HOUR = 3600 * 10**9
ADVISORIES = topology.ADVISORIES
WRITER = topology.WRITER_EMBEDDINGS

STREAMS: list[tuple[Stream, dict[str, Any]]] = [
    (topology.TRANSCRIPTS, {"max_msgs": 5_000_000}),
    (topology.TRANSCRIPTS, {"max_age": HOUR}),
    (topology.TRANSCRIPTS, {"discard": "old"}),
    (topology.TRANSCRIPTS, {"allow_atomic": False}),
    (topology.TRANSCRIPTS, {"max_msg_size": 1000}),
    (topology.EMBEDDINGS, {"duplicate_window": 60 * 10**9}),
    (topology.EMBEDDINGS, {"max_msgs_per_subject": 5}),
    (topology.EMBEDDINGS, {"subjects": [subjects.EMBEDDED, "others.>"]}),
    (topology.EMBEDDINGS, {"allow_direct": False}),
    (topology.EMBEDDINGS, {"discard_new_per_subject": True, "max_msgs_per_subject": 5}),
    (topology.HEALTH, {"compression": "s2"}),
    (topology.HEALTH, {"republish": {"src": ">", "dest": "copies.>"}}),
    (topology.HEALTH, {"no_ack": True}),
]
"""Changed in place."""

FIXED: list[tuple[Stream, dict[str, Any]]] = [
    (ADVISORIES, {"storage": "memory"}),
    (ADVISORIES, {"retention": "workqueue"}),
    (ADVISORIES, {"deny_purge": True}),
    (ADVISORIES, {"deny_delete": True}),
    (ADVISORIES, {"max_consumers": 3}),
    (ADVISORIES, {"sources": [{"name": "HEALTH"}]}),
    (topology.HEARTBEATS, {"storage": "file"}),
]
"""What the server changes for nobody: the stream is made so."""

CONSUMERS: list[tuple[Consumer, dict[str, Any]]] = [
    (WRITER, {"max_deliver": 5}),
    (WRITER, {"ack_wait": 60 * 10**9}),
    (WRITER, {"max_ack_pending": 7}),
    (WRITER, {"inactive_threshold": HOUR}),
    (WRITER, {"headers_only": True}),
    (WRITER, {"backoff": [10**9, 2 * 10**9], "max_deliver": 5}),
    (WRITER, {"max_batch": 3}),
    (WRITER, {"max_bytes": 4096}),
    (WRITER, {"max_expires": 10**9}),
    (WRITER, {"filter_subject": "transcripts.embedded.codex.*"}),
    (WRITER, {"deliver_policy": "new"}),
    (WRITER, {"deliver_policy": "by_start_sequence", "opt_start_seq": 7}),
    (WRITER, {"ack_policy": "all"}),
    (WRITER, {"replay_policy": "original"}),
    (WRITER, {"deliver_subject": "pushed.to.somebody"}),
]


async def ask(bus: Bus, api: str, body: Any = None) -> None:
    payload = b"" if body is None else msgspec.json.encode(body)
    answer = msgspec.json.decode((await bus.client.request(f"$JS.API.{api}", payload)).data)
    assert "error" not in answer, (api, body, answer["error"])


async def recreated(bus: Bus, stream: Stream, changes: dict[str, Any]) -> None:
    await ask(bus, f"STREAM.DELETE.{stream.name}")
    await ask(bus, f"STREAM.CREATE.{stream.name}", {**drift.stream_config(stream), **changes})


async def named(bus: Bus, place: str) -> str:
    """What the health service says of it."""
    return (await probe.bus_state(bus, 0.0)).wrong.get(place, "")


async def repair(nats: Nats, *, really: bool = True) -> None:
    settings = provision.Settings(nats_url=nats.url("operator"))
    await provision.main(settings, asyncio.Event(), repair=really)


def timeless(said: str) -> str:
    """What was said without for how much longer: the next one who asks gets a second less."""
    return re.sub(r"another \d+ s", "", said)


async def healed(nats: Nats, bus: Bus, place: str, changed: str) -> None:
    """Named by health, refused without `--repair`, healed with it."""
    said = await named(bus, place)
    assert changed in said, (place, changed, said)
    with pytest.raises(Misconfigured, match="--repair"):
        await repair(nats, really=False)
    assert timeless(await named(bus, place)) == timeless(said), "it was changed without being asked"
    await repair(nats)
    assert await named(bus, place) == ""
    assert await provision.drifts(bus) == []


async def test_a_stream_that_was_changed_is_named_and_repaired(nats: Nats, operator: Bus) -> None:
    await operator.publish(Message(subjects.changed("codex", "t"), b"a segment", "1"))
    for stream, changes in STREAMS:
        await ask(operator, f"STREAM.UPDATE.{stream.name}", {**drift.stream_config(stream), **changes})
        await healed(nats, operator, stream.name, next(iter(changes)))
    assert (await operator.stream.get_msg("TRANSCRIPTS", 1)).data == b"a segment"


async def test_a_stream_that_cannot_be_changed_back_is_recreated_if_nothing_is_lost(nats: Nats, operator: Bus) -> None:
    for stream, changes in FIXED:
        await recreated(operator, stream, changes)
        await healed(nats, operator, stream.name, next(iter(changes)))
    await recreated(operator, topology.HEALTH, {"sealed": False, "deny_delete": True})
    await operator.publish(Message(subjects.health_changed("bus"), b"kept", "1"))
    with pytest.raises(Misconfigured, match=r"holds 1 messages .* `nats backup stream HEALTH"):
        await repair(nats)
    assert (await operator.stream.get_msg("HEALTH", 1)).data == b"kept"


async def test_a_sealed_stream_and_a_missing_one_come_back(nats: Nats, operator: Bus) -> None:
    sealed = {**drift.stream_config(ADVISORIES), "sealed": True}
    await ask(operator, f"STREAM.UPDATE.{ADVISORIES.name}", sealed)
    await healed(nats, operator, ADVISORIES.name, "sealed")
    await ask(operator, f"STREAM.DELETE.{ADVISORIES.name}")
    assert "missing" in await named(operator, ADVISORIES.name)
    await repair(nats, really=False)  # nothing can be lost by that
    assert await named(operator, ADVISORIES.name) == ""


async def test_a_consumer_that_was_changed_is_named_and_repaired(nats: Nats, operator: Bus) -> None:
    place = f"{WRITER.stream}.{WRITER.name}"
    for consumer, changes in CONSUMERS:
        await ask(operator, f"CONSUMER.DELETE.{place}")
        config = {**drift.consumer_config(consumer), **changes}
        api = f"CONSUMER.DURABLE.CREATE.{place}"
        await ask(operator, api, {"stream_name": consumer.stream, "config": config})
        await healed(nats, operator, place, next(iter(changes)))


async def test_a_paused_consumer_is_resumed_and_a_missing_one_comes_back(nats: Nats, operator: Bus) -> None:
    place = f"{WRITER.stream}.{WRITER.name}"
    await ask(operator, f"CONSUMER.PAUSE.{place}", {"pause_until": "2099-01-01T00:00:00Z"})
    await healed(nats, operator, place, "paused")
    await ask(operator, f"CONSUMER.DELETE.{place}")
    assert "missing" in await named(operator, place)
    await repair(nats, really=False)
    assert await provision.drifts(operator) == []


async def test_the_model_of_a_consumer_survives_its_repair(nats: Nats, operator: Bus) -> None:
    """Else the whole log would be embedded again for nothing, or not at all after a change of the model."""
    settings = provision.Settings(nats_url=nats.url("operator"), embedder_model="m1")
    await provision.main(settings, asyncio.Event())
    info = await operator.stream.consumer_info("TRANSCRIPTS", "embedder")
    body = {"stream_name": "TRANSCRIPTS", "config": {**drift.consumer_config(topology.EMBEDDER), "max_deliver": 3}}
    await ask(operator, f"CONSUMER.CREATE.TRANSCRIPTS.embedder.{topology.EMBEDDER.filter}", body)
    await ask(operator, f"CONSUMER.DELETE.{WRITER.stream}.{WRITER.name}")
    await provision.main(settings, asyncio.Event(), repair=True)
    after = await operator.stream.consumer_info("TRANSCRIPTS", "embedder")
    assert (info.config.metadata or {}).get("model") == (after.config.metadata or {}).get("model") == "m1"


async def test_the_command_repairs(nats: Nats, operator: Bus) -> None:
    config = {**drift.stream_config(topology.TRANSCRIPTS), "max_msgs": 5_000_000}
    await ask(operator, "STREAM.UPDATE.TRANSCRIPTS", config)
    for arguments, code in (([], 78), (["--repair"], 0), ([], 0), (["--mend"], 1)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "mnemostream.runtime.provision", *arguments),
            env={"MNEMO_NATS_URL": nats.url("operator"), "PATH": ""},
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == code, (arguments, said)


async def test_what_an_earlier_version_made_gets_its_description_and_what_people_wrote_stays(
    nats: Nats, operator: Bus
) -> None:
    stream = drift.stream_config(topology.HEALTH)
    consumer = drift.consumer_config(WRITER)
    await api.ask(operator, "STREAM.UPDATE.HEALTH", {**stream, "description": ""})
    await api.ask(operator, "STREAM.UPDATE.ADVISORIES", {**drift.stream_config(ADVISORIES), "description": "ours"})
    await provision._create(operator, WRITER, {**consumer, "description": ""})
    await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
    infos = [
        await api.info(operator, place)
        for place in ("STREAM.INFO.HEALTH", "STREAM.INFO.ADVISORIES", f"CONSUMER.INFO.{WRITER.stream}.{WRITER.name}")
    ]
    assert [info and info.config["description"] for info in infos] == [
        topology.HEALTH.description,
        "ours",
        WRITER.description,
    ]
    assert await provision.drifts(operator) == []
