"""Messages that somebody took from the consumer of a stage: nothing looks wrong, and one command heals it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from mnemostream.local import system
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Bus
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import database, get
from tests.system.test_cli import mnemo


async def test_what_a_consumer_skipped_is_read_again_and_proved_and_vectors_are_made_anew(folder: Path) -> None:
    root, data = folder / "projects", ["--data", str(folder / "d")]
    root.mkdir()
    (root / "before.jsonl").write_bytes(jsonl(prompt("written before", "b1"), answer("yes", name="b2")))
    async with system.running(quick([root], folder / "d"), print) as running:

        async def ledger() -> dict[str, int]:
            return dict((await get(running, "/v1/autosave/ledger")).json()["total"]["gaps"])

        async def balanced() -> None:
            assert not any((await ledger()).values())
            assert ((await get(running, "/v1/autosave/stats")).json()["texts"] or 0) >= 2  # null until it was counted

        await eventually(balanced, 120)
        async with bus.connect(running.endpoints.nats_url, "a person") as operator:
            for child, name in (("writer", "writer"), ("embedder-0", "embedder")):
                await _takes_one(operator, running, root, child, name)

            async def skipped() -> None:
                gaps = await ledger()
                assert gaps["unstored_bytes"] > 0, gaps
                assert gaps["unpublished_bytes"] == gaps["uncaptured_bytes"] == 0

            await eventually(skipped, 60)
        healed = mnemo("doctor", "--repair", *data)
        assert "TRANSCRIPTS.writer had skipped messages" in healed.stderr, healed.stderr
        assert "missing vectors were made: 1 message" in healed.stderr, healed.stderr
        assert "proved from the log: 3 transcripts in the database, every text has its vector" in healed.stderr
        await eventually(balanced, 30)
        again = mnemo("doctor", "--repair", *data)
        assert "had skipped" not in again.stderr
        assert "proved from the log" in again.stderr
        await _vectors_anew(running, data)


async def _takes_one(operator: Bus, running: system.System, root: Path, child: str, name: str) -> None:
    """Somebody takes a message from a stage's consumer and acks it: nobody delivers it again."""
    process = running.children[child].process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:

        async def asks_no_more() -> None:
            assert (await operator.stream.consumer_info("TRANSCRIPTS", name)).num_waiting == 0

        await eventually(asks_no_more, 30)  # its open request would take the message
        last = (await operator.stream.stream_info("TRANSCRIPTS")).state.last_seq
        (root / f"during-{name}.jsonl").write_bytes(jsonl(prompt(f"skipped by the {name}", f"d-{name}")))

        async def stored() -> None:
            assert (await operator.stream.stream_info("TRANSCRIPTS")).state.last_seq > last

        await eventually(stored, 30)
        thief = await operator.stream.pull_subscribe_bind(name, "TRANSCRIPTS")
        for message in await thief.fetch(10, timeout=5):
            await message.ack_sync()
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def _vectors_anew(running: system.System, data: list[str]) -> None:
    async with database(running) as connection:
        right = await connection.fetch("select * from chunks order by text_sha, chunk")
        wrong = "array_fill(-0.05103104::real, array[dimensions])::vector"
        await connection.execute(f"update chunks set embedding = {wrong} from models m where m.model = chunks.model")
        for session in ("before", "during-writer", "during-embedder"):
            done = mnemo("embed", session, "--again", "--json", *data)
            assert (done.returncode, json.loads(done.stdout)) == (0, {"messages": 1, "problems": []}), done.stderr

        async def replaced() -> None:
            found = await connection.fetch("select * from chunks order by text_sha, chunk")
            assert [row["embedding"] for row in found] == [row["embedding"] for row in right]
            assert all(row["revision"] > 0 for row in found)

        await eventually(replaced, 60)
    missing = mnemo("embed", "--missing", "--json", *data)
    assert (missing.returncode, json.loads(missing.stdout)["messages"]) == (0, 0)
    assert mnemo("embed", *data).returncode == 64
