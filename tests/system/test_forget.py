"""`mnemo forget` is true when it says so: nobody still holds the session, nothing is stored, no byte of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from pathlib import Path

import asyncpg

from mnemostream.archive import copies, forget
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local import system
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.bus import Message
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.traces import traces


async def forgotten(where: Endpoints, session: str) -> forget.Forgotten:
    async with copies.opened(where) as opened:
        return await forget.forget(opened, await forget.whose(opened, session))


async def test_no_byte_of_a_forgotten_session_is_left(folder: Path) -> None:
    """In NATS' blocks, PostgreSQL's heap, statistics and write-ahead log, dead letters and logs; packed or plain."""
    root, data = folder / "projects", folder / "data"
    root.mkdir()
    canary = f"canary-{uuid.uuid4().hex}"
    long = "\n".join(f"{canary} line {number} {uuid.uuid4()}" for number in range(3000))  # TOASTed, and many chunks
    secret = [prompt(f"remember {canary}", "s1"), answer(f"as you say: {canary}", name="s2")]
    tool = {"type": "tool_result", "tool_use_id": "t", "content": long}
    secret.append({**prompt("", "s3"), "message": {"role": "user", "content": [tool]}})
    (root / "secret.jsonl").write_bytes(jsonl(*secret) + b"not json at all " + canary.encode() + b"\n")
    (root / "other.jsonl").write_bytes(jsonl(prompt("what stays", "o1"), answer("it stays", name="o2")))
    async with system.running(quick([root], data), print) as running:
        where = running.endpoints
        connection = await asyncpg.connect(where.postgres_dsn)

        async def embedded() -> None:
            assert await connection.fetchval("select count(*) from transcripts") == 2
            assert await connection.fetchval("select count(*) from chunks") >= 4

        await eventually(embedded, 120)
        await connection.execute("analyze")
        await connection.execute("checkpoint")
        async with copies.opened(where) as opened:
            (row,) = await forget.whose(opened, "secret")
            subject = subjects.changed(row.source, row.transcript_id)
            original = await opened.nats.stream.get_last_msg("TRANSCRIPTS", subject, direct=True)
            assert original.data
            facts = (subject, "TRANSCRIPTS", original.seq, 1, "Permanent: e", "", original.data, 1.0)
            letter = DeadLetter(Stage.WRITER, "w", *facts)
            await opened.nats.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), "letter"))
        before = await asyncio.to_thread(traces, data, canary)
        assert {"nats", "postgres"} <= {Path(where).relative_to(data).parts[0] for where in before}
        done = await forgotten(where, "secret")
        assert done.done
        assert done.dead_letters == 1
        assert await connection.fetchval("select count(*) from chunks") == 2
        assert await asyncio.to_thread(traces, data, canary) == []
        again = await forgotten(where, "secret")  # it can be said again
        assert (again.done, again.messages, again.records) == (True, 0, 0)
        await connection.close()
    assert await asyncio.to_thread(traces, data, canary) == []


async def test_what_an_embedder_has_in_hand_is_waited_for_and_never_stored(folder: Path) -> None:
    """The session is in the midst of being embedded, by a process that is frozen just then."""
    root = folder / "projects"
    root.mkdir()
    noise = [" ".join(uuid.uuid4().hex for _ in range(200)) for _ in range(20)]
    words = [answer(f"{number} {text}", name=f"a{number}") for number, text in enumerate(noise)]
    async with system.running(quick([root], folder / "data", guard=False), print) as running:
        where = running.endpoints
        pid = running.children["embedder-0"].pid
        async with copies.opened(where) as opened:

            async def ready() -> None:
                state = await opened.nats.stream.consumer_info("TRANSCRIPTS", "embedder")
                assert state.num_waiting

            await eventually(ready, 60)
            (root / "secret.jsonl").write_bytes(jsonl(prompt("go", "p"), *words))

            async def in_work() -> None:
                assert [
                    event
                    async for message in opened.messages([subjects.IN_FLIGHT], stream="INFLIGHT")
                    if (event := copies.decoded(message)) and event.stage is Stage.EMBEDDER and event.acks
                ]

            await eventually(in_work, 60)
        os.kill(pid, signal.SIGSTOP)
        task = asyncio.create_task(forgotten(where, "secret"))
        told, _ = await asyncio.wait({task}, timeout=8.0)
        assert not told, "it said so while an embedder had the session in hand"
        os.kill(pid, signal.SIGCONT)
        assert (await task).done

        async def nothing() -> None:
            async with copies.opened(where) as opened:
                rows = await forget.whose(opened, "secret")
                assert not any((await forget._stored(opened, rows)).values())
                assert await opened.database.fetchval("select count(*) from chunks") == 0
                assert (await opened.nats.stream.consumer_info("TRANSCRIPTS", "embedder")).num_ack_pending == 0

        await eventually(nothing)
