"""Edges on real servers: what the watcher of another machine may do, over TLS, and what becomes of what it may not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from mnemostream.archive import copies, forget
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import TranscriptChanged, TranscriptForgotten
from mnemostream.local.edges import registry
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import bus, streams
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.streams import Selection
from mnemostream.services.watcher import catalog
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.settings import Settings
from tests.conftest import answer, eventually, jsonl, prompt, provisioned, some_port
from tests.integration.bus_parts import GOLDEN, Worker
from tests.integration.conftest import replayed
from tests.integration.workers import drained, letters


@pytest.fixture
async def nats(folder: Path) -> AsyncIterator[Nats]:
    """A provisioned server with the edges `one` and `two`."""
    known = registry.Registry(f"127.0.0.1:{some_port()}")
    for name in ("one", "two"):
        registry.invited(known, name)
    registry.certify(folder, SystemClock().utc())
    registry.write(folder, known)
    async with provisioned(folder, int(known.address.rpartition(":")[2])) as server:
        yield server


def names(data: Path) -> list[str]:
    return sorted(registry.read(data).passwords)


def url(data: Path, edge: str) -> str:
    return registry.url(data, registry.read(data), edge)


def change(host: str, root: str = "/t", path: str = "s.jsonl", source: str = "claude-code") -> TranscriptChanged:
    """A segment of a transcript of that host."""
    assert isinstance(GOLDEN, TranscriptChanged)
    name = codec.transcript_id(source, host, root, path)
    return msgspec.structs.replace(GOLDEN, transcript=name, source=source, host=host, root=root, path=path)


def message(event: TranscriptChanged, edge: str) -> Message:
    subject = subjects.changed(event.source, event.transcript, edge)
    return Message(subject, codec.encode(event), codec.segment_message_id(event))


async def shipped(data: Path, edge: str, root: Path) -> Capture:
    """What a watcher at that edge captures."""
    settings = Settings(edge=edge, settle_seconds=0.0)
    async with bus.connect(url(data, edge), "edge") as connection:
        positions = await catalog.load(connection, edge)
        capture = Capture(connection, settings, [Root(str(root), "claude-code")], positions, Beat(
            Stage.WATCHER, edge, 5.0, SystemClock()
        ))  # fmt: skip
        await capture.sweep(asyncio.Event())
    for known in capture.registry:
        known.release()
    return capture


async def test_an_edge_ships_resumes_and_is_forgotten_without_seeing_others(
    nats: Nats, operator: Bus, database: str, folder: Path
) -> None:
    one, two = names(folder)
    root = folder / "projects"
    root.mkdir()
    for name in ("a", "b"):
        (root / f"{name}.jsonl").write_bytes(jsonl(prompt(f"{name} asks"), answer(f"{name} hears")))
    first, second = await shipped(folder, one, root), await shipped(folder, two, root)
    assert first.outbox.sent == second.outbox.sent == 2
    again = await shipped(folder, one, root)
    assert again.outbox.sent == 0
    assert {known.stored_end > 0 for known in again.registry} == {True}
    assert len(again.positions) == 0  # its own two, and no more
    assert len(await catalog.load(operator)) == 0  # nor does the server's watcher take over theirs
    await replayed(nats, database)
    owner = await asyncpg.connect(database)
    try:
        rows = await owner.fetch("select host, count(*) from transcripts group by host order by host")
        assert [tuple(row) for row in rows] == [(one, 2), (two, 2)]
    finally:
        await owner.close()
    async with copies.opened(Endpoints(nats.url("operator"), database, "")) as archive:
        mine = [row for row in await archive.transcripts() if row.host == one and row.path == "a.jsonl"]
        await forget._lay(archive, mine)
    async with bus.connect(url(folder, one), "edge") as connection:
        assert await catalog.forgotten(connection, one) == {mine[0].transcript_id}
    async with bus.connect(url(folder, two), "edge") as connection:
        assert await catalog.forgotten(connection, two) == set()
    assert (await shipped(folder, one, root)).positions.forgotten == {mine[0].transcript_id}


async def test_an_edge_may_do_nothing_else(nats: Nats, operator: Bus, folder: Path) -> None:
    one, two = names(folder)
    refused: list[str] = []
    async with bus.connect(url(folder, one), "edge") as connection:
        connection.client._error_cb = _noting(refused)
        for subject in (
            subjects.changed("s", "t"),
            subjects.changed("s", "t", two),
            subjects.forgotten("s", "t", one),
            subjects.reparsed("s", "t"),
            subjects.embedded("s", "t"),
            subjects.heartbeat(Stage.WATCHER, two),
            subjects.heartbeat(Stage.WRITER, one),
            subjects.deadletter(Stage.WATCHER),
            "$JS.API.STREAM.INFO.TRANSCRIPTS",
            "$JS.API.STREAM.PURGE.TRANSCRIPTS",
            "$JS.API.CONSUMER.MSG.NEXT.TRANSCRIPTS.writer",
            "$JS.API.CONSUMER.CREATE.TRANSCRIPTS.mine",
            "$JS.API.DIRECT.GET.TRANSCRIPTS",
            "queries.embed",
        ):
            before = len(refused)
            await connection.client.publish(subject, b"{}")
            await connection.client.flush()
            await eventually(_more(refused, before), 5)
        mine, theirs = subjects.changed_at(one), subjects.changed_at(two)
        for filters in ([subjects.CHANGED], [theirs], [], [mine, theirs]):
            with pytest.raises(Transient):
                async for _ in streams.read(connection, topology.TRANSCRIPTS.name, Selection(filters=filters)):
                    pass
    assert (await operator.stream.stream_info("TRANSCRIPTS")).state.messages == 0


def _noting(refused: list[str]):  # type: ignore[no-untyped-def]  # a callback of the untyped library
    async def note(error: Exception) -> None:
        refused.append(str(error))

    return note


def _more(refused: list[str], before: int):  # type: ignore[no-untyped-def]
    async def check() -> None:
        assert len(refused) > before

    return check


async def test_what_is_not_the_edges_own_is_a_dead_letter_and_reaches_no_reader(
    nats: Nats, operator: Bus, folder: Path
) -> None:
    one, two = names(folder)
    own = change(one)
    wrong = {
        "the host of another": change(two),
        "an id that does not follow": msgspec.structs.replace(change(one), transcript=change(two).transcript),
        "another path": msgspec.structs.replace(change(one), path="other.jsonl"),
    }
    seen: list[str] = []

    async def work(events: object) -> None:
        seen.extend(event.transcript for event in events)  # type: ignore[attr-defined]

    async with bus.connect(url(folder, one), "edge") as connection:
        await connection.publish(message(own, one))
        for event in wrong.values():
            await connection.publish(msgspec.structs.replace(message(event, one), message_id=event.path + event.host))
        tombstone = codec.encode(TranscriptForgotten("t", "s", "", ""))
        await connection.publish(Message(subjects.changed("s", "t", one), tombstone, "forged"))
    worker = Worker(operator, work)
    await drained(operator)
    await worker.done()
    assert seen == [own.transcript]
    given_up = await letters(operator)
    assert len(given_up) == len(wrong) + 1
    assert all(isinstance(letter, DeadLetter) and "is not its own" in letter.error for letter in given_up)
    which = Selection(filters=[subjects.CHANGED])
    found = [copies.decoded(each) async for each, _ in streams.read(operator, topology.TRANSCRIPTS.name, which)]
    assert [event.transcript for event in found if isinstance(event, TranscriptChanged)] == [own.transcript]


def test_a_name_that_is_no_utf8_is_still_its_own() -> None:
    root, path = "/t", "caf\udce9/s.jsonl"
    event = msgspec.structs.replace(
        change("one-1a2b", root, path), path=codec.printable(path), root=codec.printable(root)
    )
    subject = subjects.changed(event.source, event.transcript, "one-1a2b")
    assert codec.decode_from(subject, codec.encode(event)) == event
    with pytest.raises(msgspec.ValidationError):
        codec.decode_from(subject.replace("one-1a2b", "two-1a2b"), codec.encode(event))


async def test_nothing_is_sent_without_tls_and_no_other_certificate_is_taken(nats: Nats, folder: Path) -> None:
    one, _ = names(folder)
    right = url(folder, one)
    other = folder / "other"
    registry.certify(other, SystemClock().utc())
    registry.write(other, registry.read(folder))
    with pytest.raises(Misconfigured, match="certificate that is not trusted"):
        async with bus.connect(url(other, one), "edge", within=10):
            pass
    listening = socket.create_server(("127.0.0.1", 0))
    said: list[bytes] = []

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody who says that there is no TLS here."""
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","headers":true,"max_payload":1048576,"proto":1}\r\n')
        await writer.drain()
        said.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(between, sock=listening)
    address = right.replace(registry.read(folder).address, f"127.0.0.1:{listening.getsockname()[1]}")
    with pytest.raises((Transient, Misconfigured)):
        async with bus.connect(address, "edge", within=3):
            pass
    server.close()
    await server.wait_closed()
    assert said
    assert all(first[:1] == b"\x16" for first in said if first)  # a TLS handshake (RFC 8446, 5.1), and no word of NATS
