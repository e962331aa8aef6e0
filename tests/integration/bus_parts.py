"""Parts of the tests of the bus."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import psutil

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import Stage
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume
from mnemostream.runtime.delivery.settle import Work
from mnemostream.runtime.heartbeat import Beat
from tests.conftest import ROOT

GOLDEN = codec.decode((ROOT / "contracts/golden/TranscriptChanged.v1.json").read_bytes())


def segment(number: int) -> Message:
    assert isinstance(GOLDEN, TranscriptChanged)
    event = msgspec.structs.replace(GOLDEN, start=number, end=number + 1)
    return Message(subjects.changed("s", "t"), codec.encode(event), codec.segment_message_id(event))


async def count(nats: Bus, stream: str = "TRANSCRIPTS") -> int:
    return (await nats.stream.stream_info(stream)).state.messages


def beat() -> Beat:
    return Beat(Stage.WRITER, "test", 5.0, SystemClock())


class Worker:
    """A consumer loop, on the writer's consumer if no other is named, with a body that the test chooses."""

    def __init__(self, nats: Bus, do: Work, consumer: topology.Consumer = topology.WRITER_TRANSCRIPTS) -> None:
        self.stop = asyncio.Event()
        self.beat = beat()
        self.task = asyncio.create_task(consume.work(nats, consumer, do, self.beat, self.stop))

    async def done(self) -> None:
        self.stop.set()
        await self.task


async def lag(nats: Bus) -> int:
    """Messages of TRANSCRIPTS that the writer's consumer has not settled.

    A publish is acknowledged before the server tells its consumers of the message (`num_pending` is then still 0), so
    what lies behind the last delivery is counted from the stream itself.
    """
    info = await nats.stream.consumer_info("TRANSCRIPTS", "writer")
    last = (await nats.stream.stream_info("TRANSCRIPTS")).state.last_seq
    behind = last - (info.delivered.stream_seq if info.delivered else 0)
    return max(info.num_pending or 0, behind) + (info.num_ack_pending or 0)


def _to(port: int) -> list[Any]:
    """This process's connections to `port`."""
    return [one for one in psutil.Process().net_connections("tcp") if one.raddr and one.raddr.port == port]
