"""How embedders scale: 1, 2, 4, 8 of them on the same backlog, with the model `sleep`, which computes nothing.

    python bench/scale.py [--seconds 0.2] [--workers 1,2,4,8] [--backlogs 1000,100,25]

All workers are ready before the first message is delivered; the time runs from then until nothing waits and nothing is
in hand. Prints a table: seconds, times faster than one worker, each worker's share, redeliveries; and the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mnemostream.contracts import topology
from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.local import system
from mnemostream.local.child import Child, Spec, service_env
from mnemostream.runtime import bus, provision
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.process.command import python

LARGE = 25
"""This backlog is one of large segments: text for eight calls, and outputs of tools that nobody embeds."""
CONSUMER = topology.EMBEDDER


def transcripts(folder: Path, count: int) -> None:
    """One file, and one segment, each."""
    folder.mkdir(parents=True)
    exchanges, chars, output = (40, 800, 9000) if count == LARGE else (8, 380, 0)
    for number in range(count):
        with (folder / f"{number:04}.jsonl").open("w") as handle:
            for exchange in range(exchanges):
                for role in ("user", "assistant"):
                    words = f"{role} {exchange} of {number}: " + f"word{number} and {exchange} " * 99
                    content = [{"type": "text", "text": words[:chars]}]
                    message = {"role": role, "content": content, "id": f"m{number}-{exchange}"}
                    name = f"{role}-{number}-{exchange}"
                    handle.write(json.dumps({"type": role, "uuid": name, "message": message}) + "\n")
                if output:
                    result = {"type": "tool_result", "tool_use_id": f"t{exchange}", "content": "o" * output}
                    message = {"role": "user", "content": [result]}
                    handle.write(json.dumps({"type": "user", "uuid": f"t{exchange}", "message": message}) + "\n")


class Run(msgspec.Struct):
    """What one run has shown."""

    seconds: float = 0.0
    redelivered: int = 0
    shares: list[int] = []


async def asked(nats: Bus, what: str, body: object = None) -> None:
    answer = await nats.client.request(f"$JS.API.CONSUMER.{what}.{CONSUMER.stream}.{CONSUMER.name}",
                                       json.dumps(body or {}).encode(), timeout=5)  # fmt: skip
    assert "error" not in json.loads(answer.data), answer.data


async def waiting(nats: Bus) -> tuple[int, int]:
    """Messages that are not done; deliveries so far."""
    info = await nats.stream.consumer_info(CONSUMER.stream, CONSUMER.name)
    return (info.num_pending or 0) + (info.num_ack_pending or 0), info.delivered.consumer_seq if info.delivered else 0


@asynccontextmanager
async def embedders(url: str, count: int, seconds: float, logs: Path) -> AsyncIterator[None]:
    children = []
    for number in range(count):
        env = service_env({"MNEMO_NATS_URL": url, "MNEMO_INSTANCE": f"embedder-{number}", "MNEMO_LOG_LEVEL": "warning",
                           "MNEMO_EMBEDDER_MODEL": "sleep", "MNEMO_EMBEDDER_SLEEP_SECONDS": str(seconds),
                           "MNEMO_HEARTBEAT_SECONDS": "1"})  # fmt: skip
        name = f"embedder-{number}"
        command = python("mnemostream.services.embedder.main")
        children.append(Child(Spec(name, command, env, logs / f"{name}.log"), print))
        await children[-1].start()
    try:
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))


async def run(nats: Bus, url: str, count: int, seconds: float, logs: Path) -> Run:
    """One worker count on the whole backlog."""
    beats: dict[str, Heartbeat] = {}

    async def heard(message: object) -> None:
        beat = msgspec.json.decode(message.data, type=Heartbeat)  # type: ignore[attr-defined]
        beats[beat.instance] = beat

    subscription = await nats.client.subscribe(f"heartbeats.{Stage.EMBEDDER}.*", cb=heard)
    await asked(nats, "DELETE")
    await provision.main(provision.Settings(nats_url=url, embedder_model="sleep"), asyncio.Event())
    await asked(nats, "PAUSE", {"pause_until": "2099-01-01T00:00:00Z"})
    async with embedders(url, count, seconds, logs):
        while sum(beat.phase is Phase.RUNNING for beat in beats.values()) < count:
            await asyncio.sleep(0.05)
        messages, _ = await waiting(nats)
        # Its end by time wakes the workers' requests; `resume` leaves them to the next request, up to 5 s later.
        end = datetime.now(UTC) + timedelta(seconds=1)
        await asked(nats, "PAUSE", {"pause_until": end.isoformat()})
        while not (await waiting(nats))[1]:
            await asyncio.sleep(0.01)
        began = time.perf_counter()
        while (left := await waiting(nats))[0]:
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
    await asyncio.sleep(0.5)  # the last words of those that stopped
    await subscription.unsubscribe()
    return Run(took, left[1] - messages, [beat.total_imported for beat in beats.values()])


async def backlog(count: int, workers: Sequence[int], seconds: float, table: Table) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        data, source = Path(name) / "data", Path(name) / "source"
        transcripts(source, count)
        plan = system.Plan(data=data, roots=[source], embedders=0, nats_port=0, health_port=0, postgres_port=0,
                           settings={"MNEMO_EMBEDDER_MODEL": "sleep"})  # fmt: skip
        async with (
            system.running(plan, lambda text: None) as running,
            bus.connect(running.endpoints.nats_url, "bench", within=5) as nats,
        ):
            url = running.endpoints.nats_url
            while (await waiting(nats))[0] < count:
                await asyncio.sleep(0.1)
            alone = 0.0
            for number in workers:
                one = await run(nats, url, number, seconds, data / "logs")
                alone = alone or one.seconds * number
                fair = sum(one.shares) / number
                shares = f"{min(one.shares) / fair:.0%} to {max(one.shares) / fair:.0%}"
                kind = f"{count}{' large' if count == LARGE else ''} segments"
                table.add_row(kind, str(number), f"{one.seconds:.1f}", f"{alone / one.seconds:.2f}", shares,
                              str(one.redelivered))  # fmt: skip
                print(kind, number, msgspec.to_builtins(one), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.2, help="duration of one call of the model")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--backlogs", default="1000,100,25")
    given = parser.parse_args()
    table = Table("backlog", "embedders", "seconds", "times faster", "share of each", "redelivered")
    for count in map(int, given.backlogs.split(",")):
        await backlog(count, [int(number) for number in given.workers.split(",")], given.seconds, table)
    Console().print(table)
    print(f"machine      {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
          f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
