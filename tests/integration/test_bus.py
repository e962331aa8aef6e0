"""The bus and the consumer loop against a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Event, Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, provision
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.errors import Misconfigured, Permanent
from tests.conftest import eventually
from tests.integration.bus_parts import GOLDEN, Worker, count, lag, segment


async def test_a_batch_is_stored_once_however_often_it_is_sent(operator: Bus) -> None:
    messages = [segment(number) for number in range(250)]
    await operator.publish_all(messages)
    await operator.publish_all(messages[:120])
    await operator.publish_all([*messages[200:], segment(900)])
    assert await count(operator) == 251


async def test_provisioning_widens_what_an_earlier_version_made_and_keeps_position_and_model(
    nats: Nats, operator: Bus
) -> None:
    settings = provision.Settings(nats_url=nats.url("operator"), embedder_model="some-model")
    await provision.main(settings, asyncio.Event())
    name = topology.TRANSCRIPTS.name
    former = (await operator.stream.consumer_info(name, "embedder")).config
    former.filter_subject = subjects.CHANGED
    await operator.stream.add_consumer(name, former)
    stream = (await operator.stream.stream_info(name)).config
    stream.subjects = [subjects.CHANGED]
    await operator.stream.update_stream(stream)
    assert isinstance(GOLDEN, TranscriptChanged)
    await operator.publish(Message(subjects.changed("x", "y"), codec.encode(GOLDEN), "one"))
    subscription = await operator.stream.pull_subscribe_bind("embedder", name)
    for message in await subscription.fetch(1, timeout=5):
        await message.ack_sync()
    await provision.main(settings, asyncio.Event())
    found = await operator.stream.consumer_info(name, "embedder")
    assert found.config.filter_subject == subjects.TRANSCRIPTS
    assert (found.config.metadata or {})["model"] == "some-model"
    assert (found.num_pending, found.ack_floor.stream_seq if found.ack_floor else 0) == (0, 1)
    assert set((await operator.stream.stream_info(name)).config.subjects or []) == set(topology.TRANSCRIPTS.subjects)


async def test_provisioning_twice_changes_nothing_and_drift_is_refused(nats: Nats, operator: Bus) -> None:
    settings = provision.Settings(nats_url=nats.url("operator"))
    await provision.main(settings, asyncio.Event())
    config = (await operator.stream.stream_info("DEADLETTERS")).config
    config.max_msgs_per_subject = 9
    await operator.stream.update_stream(config)
    with pytest.raises(Misconfigured, match="max_msgs_per_subject"):
        await provision.main(settings, asyncio.Event())


async def test_another_model_embeds_the_whole_log_again(nats: Nats, operator: Bus) -> None:
    await operator.publish(segment(1))

    async def ready_for(model: str) -> int:
        settings = provision.Settings(nats_url=nats.url("operator"), embedder_model=model)
        await provision.main(settings, asyncio.Event())
        return (await operator.stream.consumer_info("TRANSCRIPTS", "embedder")).num_pending or 0

    await ready_for("one")
    subscription = await operator.stream.pull_subscribe_bind("embedder", "TRANSCRIPTS")
    await (await subscription.fetch(1))[0].ack_sync()
    assert await ready_for("one") == 0
    assert await ready_for("two") == 1


async def test_services_may_not_purge(nats: Nats) -> None:
    async with bus.connect(nats.url("writer"), "test") as writer:
        await writer.publish(Message(subjects.deadletter(Stage.WRITER), b"x", "one"))
        writer.stream._timeout = 1
        with pytest.raises(Exception, match="timeout"):
            await writer.stream.purge_stream("DEADLETTERS")


async def test_wrong_credentials_are_a_matter_for_a_person(nats: Nats) -> None:
    with pytest.raises(Misconfigured, match="rejected"):
        async with bus.connect(f"nats://writer:wrong@127.0.0.1:{nats.port}", "test"):
            pass


async def test_a_poison_message_alone_goes_to_the_dead_letters(operator: Bus) -> None:
    done: list[int] = []

    async def do(events: Sequence[Event]) -> None:
        starts = [event.start for event in events if isinstance(event, TranscriptChanged)]
        if 7 in starts:
            raise Permanent("seven is refused")
        done.extend(starts)

    await operator.publish_all([segment(number) for number in range(10)])
    await operator.publish(Message(subjects.changed("s", "junk"), b"not json", "junk"))
    worker = Worker(operator, do)

    async def settled() -> None:
        assert await lag(operator) == 0
        assert await count(operator, "DEADLETTERS") == 2

    await eventually(settled)
    await worker.done()
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    letters = [codec.decode((await operator.stream.get_msg("DEADLETTERS", seq)).data) for seq in (1, 2)]
    assert {letter.payload == b"not json" for letter in letters if isinstance(letter, DeadLetter)} == {True, False}
    assert any("seven is refused" in letter.error for letter in letters if isinstance(letter, DeadLetter))
