"""Memory of everything at rest, and how long the model takes to come back.

    python bench/rest.py [--folder FOLDER]

Proportional set size (shared pages counted once), from /proc: Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.conftest import EXAMPLES

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.requests import EmbedQuery
from mnemostream.local import nats_conf, system
from mnemostream.local.nats_server import Nats
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus

IDLE = 3.0


def pss(pid: int) -> float:
    """Of a process and all below it, MB."""
    family = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (family, *family.children(recursive=True))) / 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=EXAMPLES, help="with transcripts; default: the examples")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        plan = system.Plan(
            data=Path(place) / "d", roots=[folder.resolve()], nats_port=0, health_port=0, postgres_port=0,
            settings={"MNEMO_EMBEDDER_IDLE_SECONDS": str(IDLE)},
        )  # fmt: skip
        async with system.running(plan, print) as running:
            embedder = psutil.Process(running.children["embedder-0"].pid)
            while not embedder.children():
                await asyncio.sleep(0.1)
            loaded = pss(embedder.pid)
            while embedder.children():
                loaded = max(loaded, pss(embedder.pid))
                await asyncio.sleep(0.2)
            await asyncio.sleep(20)
            print(f"machine: {psutil.cpu_count()} cores, {platform.system()} {platform.machine()}")
            sizes = {name: pss(child.pid) for name, child in running.children.items()}
            sizes["mnemo up"] = psutil.Process().memory_full_info().pss / 1e6
            for name, size in sizes.items():
                print(f"{name:12} {size:6.0f} MB")
            print(f"{'all':12} {sum(sizes.values()):6.0f} MB; the embedder with its model {loaded:.0f} MB")
            port = int(running.endpoints.nats_url.rpartition(":")[2])
            url = Nats(plan.data, port, Secrets.of(plan.data).nats).url(nats_conf.OPERATOR)
            waits = []
            async with bus.connect(url, "bench") as nats:
                for _ in range(5):
                    while embedder.children():
                        await asyncio.sleep(0.2)
                    began = time.monotonic()
                    await nats.client.request(subjects.EMBED_QUERY, codec.encode(EmbedQuery("a text")), timeout=60)
                    waits.append(time.monotonic() - began)
            print(f"first vector after a rest {statistics.median(waits):.1f} s, longest {max(waits):.1f} (of 5)")


asyncio.run(main())
