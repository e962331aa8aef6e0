"""What a compromised edge tries: nats-server sends its answers where the asker says, with rights of its own
(docs/adr/0037-edges.md)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from nats.js.api import AckPolicy

from mnemostream.archive.copies import Archive, decoded
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.contracts.transcripts import Checkpoint
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, streams
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.streams import Selection
from mnemostream.services.health.observe.dead_letters import _letter
from mnemostream.services.watcher import catalog
from mnemostream.services.watcher import main as watcher
from mnemostream.services.watcher.checkpoints import reached
from tests.conftest import eventually
from tests.integration.test_edges import change, message, names, nats, url  # noqa: F401

VICTIM = "history-0123456789ab"
NEXT, BATCH = "$JS.API.CONSUMER.MSG.NEXT.TRANSCRIPTS.p", b'{"batch":1}'


async def test_acks_cannot_be_sent_as_tombstones_of_others(nats: Nats, operator: Bus, folder: Path) -> None:  # noqa: F811
    """The PubAck of an edge's own message goes where the edge says, with the server's rights."""
    one, _ = names(folder)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await operator.client.subscribe(subjects.forgotten_at(""), cb=watcher._hear_tombstones(heard))
    await operator.client.flush()
    async with bus.connect(url(folder, one), "edge") as edge:
        target = subjects.forgotten("claude-code", VICTIM)
        await edge.client.publish(subjects.changed("s", "t", one), b"{}", reply=target)
        await edge.client.flush()
        await edge.publish(message(change(one), one))  # what was sent before it has happened
    assert heard.empty()
    assert await catalog.forgotten(operator) == set()


async def test_a_pull_cannot_deliver_to_those_who_hear_tombstones(nats: Nats, operator: Bus, folder: Path) -> None:  # noqa: F811
    """What is delivered has the subject of the edge, whose tokens 2 and 3 it chooses."""
    one, _ = names(folder)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await operator.client.subscribe(subjects.forgotten_at(""), cb=watcher._hear_tombstones(heard))
    await operator.client.flush()
    async with bus.connect(url(folder, one), "edge") as edge:
        forged = codec.encode(DeadLetter(Stage.WRITER, "w", "s", "TRANSCRIPTS", 1, 1, "forged", "", b"", 0.0))
        await edge.stream.publish(subjects.changed("claude-code", VICTIM, one), forged)
        await edge.stream.add_consumer(
            "TRANSCRIPTS", name="p", filter_subject=subjects.changed_at(one), ack_policy=AckPolicy.EXPLICIT
        )
        await edge.client.publish(NEXT, BATCH, reply="transcripts.forgotten.x.y")
        await edge.client.publish(NEXT, BATCH, reply="deadletters.writer")
        await edge.client.flush()
        await edge.publish(message(change(one), one))  # what was sent before it has happened
        await eventually(lambda: _delivered(operator, "DEADLETTERS"))
    assert heard.empty()
    async with aclosing(streams.history(operator, "DEADLETTERS")) as stored:
        letters = [_letter(one) async for one in stored]
    assert [letter.error.partition(":")[0] for letter in letters] == ["this is not a dead letter"]
    assert letters[0].subject == ""


async def test_a_subject_that_is_no_utf8_blocks_nobody(nats: Nats, operator: Bus, folder: Path) -> None:  # noqa: F811
    one, _ = names(folder)
    async with bus.connect(url(folder, one), "edge") as edge:
        subject = b"transcripts.changed.cc.\xff." + one.encode()
        edge.client._transport.write(b"PUB " + subject + b" 2\r\n{}\r\n")
        await edge.client.flush()
    await catalog.load(operator)
    every = Selection(filters=[subjects.TRANSCRIPTS])
    assert len([1 async for _ in streams.read(operator, topology.TRANSCRIPTS.name, every)]) == 1


async def _delivered(operator: Bus, stream: str) -> None:
    assert (await operator.stream.stream_info(stream)).state.messages == 1


async def test_an_answer_under_the_subject_of_another_takes_no_position_away(
    nats: Nats,  # noqa: F811
    operator: Bus,
    folder: Path,
) -> None:
    """The server's watcher would ship the file anew from its start."""
    one, _ = names(folder)
    event = change("server")
    point = Checkpoint(event.transcript, 1, event.end, event.end, event.sha256, "", "", 0)
    headers = {codec.CHECKPOINT_HEADER: codec.encode(point).decode()}
    subject = subjects.changed(event.source, event.transcript)
    await operator.publish(Message(subject, codec.encode(event), "own", headers))
    async with bus.connect(url(folder, one), "edge") as edge:
        await edge.client.publish(subjects.changed("s", "t", one), b"{}", reply=subject)
        await edge.client.flush()
        await edge.publish(message(change(one), one))

    async def answered() -> None:
        assert b"stream" in (await operator.stream.get_last_msg("TRANSCRIPTS", subject)).data

    await eventually(answered)
    assert {name: reached(kept)[1] for _, name, kept in await catalog.load(operator)} == {event.transcript: event.end}


async def test_a_checkpoint_of_an_edge_that_is_none_stops_no_command(nats: Nats, operator: Bus, folder: Path) -> None:  # noqa: F811
    one, _ = names(folder)
    async with bus.connect(url(folder, one), "edge") as edge:
        await edge.stream.publish(subjects.changed("s", "t", one), b"{}", headers={codec.CHECKPOINT_HEADER: "garbage"})
    assert await Archive(None, operator).checkpoints() == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"sha256": "zz"}, {"kept_sha256": "zz"}, {"captured_at": "yesterday"}])
def test_values_that_no_reader_takes_are_refused_where_they_are_read(wrong: dict[str, str]) -> None:
    """The writer and a backup would die of them."""
    event = msgspec.structs.replace(change("one-1a2b"), **wrong)
    with pytest.raises(msgspec.ValidationError):
        codec.decode_from(subjects.changed(event.source, event.transcript, "one-1a2b"), codec.encode(event))


def test_deep_json_is_not_understood_and_no_more() -> None:
    class Deep:
        subject = "transcripts.changed.cc.t.one-1111"
        data = b'{"type":"TranscriptChanged","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"

    assert decoded(Deep()) is None  # type: ignore[arg-type]


def test_no_edge_ships_lines_of_the_canary_or_outside_of_its_folder() -> None:
    for event in (change("one-1a2b", source="canary"), change("one-1a2b", root="/r", path="../../etc/cron.d/x")):
        with pytest.raises(msgspec.ValidationError):
            codec.decode_from(subjects.changed(event.source, event.transcript, "one-1a2b"), codec.encode(event))
