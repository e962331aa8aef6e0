"""The whole system as a user runs it: real processes, NATS, PostgreSQL, the real model."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import psutil
import pytest
import zstandard

from archive import search
from local import system
from tests.conftest import EXAMPLES, answer, eventually, jsonl, prompt, quick, unreadable


@asynccontextmanager
async def database(running: system.System) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(running.endpoints.postgres_dsn, timeout=5)
    try:
        yield connection
    finally:
        await connection.close()


async def archived(connection: asyncpg.Connection, path: str) -> bytes:
    """The bytes of a file's last generation, out of the database; fails on a gap."""
    rows = await connection.fetch(
        "select s.* from segments s join transcripts t using (transcript_id) where t.path = $1 and generation = "
        "(select max(generation) from segments x where x.transcript_id = s.transcript_id) order by start_offset",
        path,
    )
    data = b""
    for row in rows:
        assert row["start_offset"] == len(data)
        data += zstandard.decompress(row["data"], max_output_size=1 << 26)
        assert hashlib.sha256(data).digest() == row["sha256"]
    return data


async def complete(connection: asyncpg.Connection, root: Path) -> None:
    """Every file is archived byte for byte and every text has a vector."""
    for file in root.rglob("*.jsonl"):
        path = str(file.relative_to(root))
        assert await archived(connection, path) == file.read_bytes(), f"{path} differs"
    texts = await connection.fetchval("select count(distinct text_sha) from records where text_sha is not null")
    row = await connection.fetchrow("select texts, embedded from coverage")
    assert row is not None
    assert (row["texts"], row["embedded"]) == (texts, texts)


async def get(running: system.System, path: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            return await client.get(f"{running.endpoints.health_url}{path}", **more)
        except httpx.TransportError as error:
            raise AssertionError(error) from error


async def test_examples_are_saved_embedded_found_and_shown(folder: Path) -> None:
    async with system.running(quick([EXAMPLES], folder / "data"), print) as running, database(running) as connection:
        await eventually(lambda: complete(connection, EXAMPLES), within=180)
        await _every_paraphrase_finds_its_exchange(running)
        await _the_health_api_says_so(running)
        await _the_log_is_readable(running)
        assert oct((folder / "data" / "endpoints.json").stat().st_mode)[-3:] == "600"
        before = await connection.fetchval("select count(*) from segments")
    async with system.running(quick([EXAMPLES], folder / "data"), print) as running, database(running) as connection:

        async def swept() -> None:
            stats = (await get(running, "/v1/autosave/stats")).json()
            assert stats["watcher"]["sweeps"] >= 2
            assert stats["streams"]["TRANSCRIPTS"]["messages"] == before

        await eventually(swept)
        assert await connection.fetchval("select count(*) from segments") == before


async def _every_paraphrase_finds_its_exchange(running: system.System) -> None:
    pairs = json.loads((Path(__file__).parent / "search_pairs.json").read_text())
    assert len(pairs) >= 20
    missed = []
    for pair in pairs:
        hits = await search.search(running.endpoints, pair["query"], 5)
        if pair["exchange_id"] not in [hit["exchange_id"] for hit in hits]:
            missed.append(pair["query"])
    assert missed == []


async def _the_health_api_says_so(running: system.System) -> None:
    async def healthy() -> None:
        answer = await get(running, "/v1/autosave/health", headers={"accept": "application/health+json"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/health+json")
        body = answer.json()
        assert body["status"] == "healthy", body
        assert set(body["stages"]) == {"watcher", "embedder", "writer"}
        assert {"heartbeat_age_seconds", "metrics", "last_import_age_seconds"} <= set(body["daemon"])

    await eventually(healthy)
    assert (await get(running, "/livez")).status_code == 200
    assert (await get(running, "/readyz")).status_code == 200
    assert (await get(running, "/schema/openapi.json")).status_code == 200

    async def counted() -> None:
        recent = (await get(running, "/v1/autosave/recent?limit=3")).json()
        assert recent["count"] == 3
        stats = (await get(running, "/v1/autosave/stats")).json()
        assert stats["conversations"] == 28

    await eventually(counted)
    assert (await get(running, "/v1/autosave/recent?limit=1000")).status_code == 400


async def _the_log_is_readable(running: system.System) -> None:
    """What `nats stream view`, `nats consumer info` and `nats sub` would print."""
    client = await nats.connect(running.endpoints.nats_url)
    stream = client.jetstream()
    message = await stream.get_msg("TRANSCRIPTS", 1)
    assert message.subject.startswith("transcripts.changed.claude-code.")
    body = json.loads(message.data)
    assert body["type"] == "TranscriptChanged"
    assert {"path", "start", "end", "records", "counts"} <= set(body)
    info = await stream.consumer_info("TRANSCRIPTS", "writer")
    assert (info.config.max_deliver, info.config.ack_policy) == (-1, "explicit")
    beats = await client.subscribe("heartbeats.>")
    beat = json.loads((await beats.next_msg(timeout=10)).data)
    assert {"stage", "instance", "boot_id", "sequence", "processed"} <= set(beat)
    await client.close()


def session(root: Path, exchanges: int) -> Path:
    """A generated transcript with texts of its own."""
    file = root / "-home-dana" / f"{uuid.uuid4()}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(exchanges):
        tag = uuid.uuid4().hex
        lines += [prompt(f"question {number} about {tag}"), answer(f"answer about {tag}", "and a second block")]
    file.write_bytes(jsonl(*lines))
    return file


async def test_kill_9_of_any_process_during_the_import_loses_and_doubles_nothing(folder: Path) -> None:
    root = folder / "projects"
    wanted = 0
    async with system.running(quick([root.resolve()], folder / "data"), print) as running:
        for victim in ("watcher", "writer", "embedder-0", "health", "nats", "postgres"):
            for _ in range(12):
                session(root, 5)
                wanted += 5
            child = running.children[victim]
            assert child.process is not None

            async def under_way(wanted: int = wanted) -> None:
                async with database(running) as connection:
                    assert await connection.fetchval("select count(*) from conversations") > wanted - 60

            await eventually(under_way, within=90)
            os.kill(child.process.pid, signal.SIGKILL)

        async def all_there() -> None:
            try:
                async with database(running) as connection:
                    await complete(connection, root)
                    assert await connection.fetchval("select count(*) from conversations") == wanted
            except asyncpg.PostgresError as error:
                raise AssertionError(error) from error

        await eventually(all_there, within=180)
        async with database(running) as connection:
            doubled = await connection.fetchval(
                "select count(*) from (select record_id, block from records group by 1, 2 having count(*) > 1) d"
            )
            assert doubled == 0
            assert await connection.fetchval("select count(*) from records") == wanted * 3

        async def healthy_again() -> None:
            assert (await get(running, "/v1/autosave/health")).json()["status"] == "healthy"

        await eventually(healthy_again, within=120)
        assert all(child.restarts >= 1 for child in running.children.values())


async def test_a_live_file_is_followed_through_appends_a_torn_line_and_a_rewrite(folder: Path) -> None:
    root = folder / "projects"
    file = session(root, 1)
    async with system.running(quick([root.resolve()], folder / "data"), print) as running, database(running) as c:

        async def same() -> None:
            assert await archived(c, str(file.relative_to(root))) == file.read_bytes()

        await eventually(same)
        line = jsonl(prompt("half of this line comes later", "late"))
        with file.open("ab") as handle:
            handle.write(line[:30])
        await eventually(same)  # at rest the torn tail is archived too
        with file.open("ab") as handle:
            handle.write(line[30:] + jsonl(answer("whole", name="after")))
        await eventually(same)

        async def paired() -> None:
            row = await c.fetchrow("select prompt, answer from conversations where exchange_id = 'late'")
            assert row is not None
            assert (row["prompt"], row["answer"]) == ("half of this line comes later", "whole")

        await eventually(paired)
        file.write_bytes(jsonl(prompt("all new", "new")))
        await eventually(same)
        generations = await c.fetch("select distinct generation from segments")
        assert sorted(row["generation"] for row in generations) == [0, 1]
        assert await c.fetchval("select count(*) from conversations") == 3


async def test_bad_input_is_kept_counted_and_stops_nothing(folder: Path) -> None:
    root = folder / "projects" / "-bad"
    root.mkdir(parents=True)
    good = jsonl(prompt("a good line", "good"), answer("seen"))
    long = "".join(f"w{number} " for number in range(300_000))
    tool = {"type": "tool_result", "tool_use_id": "t", "content": "x" * 30_000_000}
    (root / "empty.jsonl").write_bytes(b"")
    (root / "torn.jsonl").write_bytes(good + b'{"type":"user","uu')
    (root / "broken.jsonl").write_bytes(b"{nope\n" + good.replace(b"good", b"next"))
    (root / "binary.jsonl").write_bytes(bytes(range(256)) * 50)
    (root / "unknown.jsonl").write_bytes(jsonl({"type": "hologram", "uuid": "h"}, prompt("x\0y\ud800z", "odd")))
    (root / "large.jsonl").write_bytes(
        jsonl({**prompt(""), "message": {"role": "user", "content": [tool]}}, prompt(long, "long"))
    )
    unreadable(root / "closed.jsonl")
    async with system.running(quick([root.parent], folder / "data"), print) as running, database(running) as c:
        files = [file for file in root.glob("*.jsonl") if not file.is_symlink()]

        async def kept() -> None:
            for file in files:
                assert await archived(c, f"-bad/{file.name}") == file.read_bytes(), file.name
            names = {row["exchange_id"] for row in await c.fetch("select exchange_id from conversations")}
            assert {"good", "next", "odd", "long"} <= names

        await eventually(kept, within=120)

        async def told() -> None:
            stats = (await get(running, "/v1/autosave/stats")).json()["watcher"]
            assert stats["lines"]["damaged:invalid_json"] >= 1
            assert stats["lines"]["unknown:hologram"] == 1
            health = (await get(running, "/v1/autosave/health")).json()
            assert any("damaged lines" in issue for issue in health["issues"]), health["issues"]
            assert any("closed.jsonl" in issue for issue in health["issues"]), health["issues"]
            assert stats["unreadable_files"] == 1

        await eventually(told)
        stored = await c.fetchval("select prompt from conversations where exchange_id = 'long'")
        assert stored == long.strip()
        assert (await c.fetchval("select prompt from conversations where exchange_id = 'odd'")) == "x\ufffdy\ufffdz"
        letters = (await get(running, "/v1/autosave/stats")).json()["streams"]["DEADLETTERS"]["messages"]
        assert letters == 0


async def test_a_lost_database_is_named_at_once_and_forgiven_later(folder: Path) -> None:
    root = folder / "projects"
    session(root, 1)
    async with system.running(quick([root.resolve()], folder / "data"), print) as running:

        async def status(wanted: int, word: str) -> None:
            answer = await get(running, "/v1/autosave/health")
            assert answer.status_code == wanted, answer.text
            assert word in answer.text

        await eventually(lambda: status(200, "healthy"))
        child = running.children["postgres"]
        assert child.process is not None
        server = psutil.Process(child.process.pid)
        frozen = [server, *server.children(recursive=True)]
        for process in frozen:
            process.suspend()
        try:
            await eventually(lambda: status(503, "the database does not take rows"))
        finally:
            for process in frozen:
                process.resume()
        await eventually(lambda: status(200, "healthy"), within=120)


async def test_two_systems_do_not_share_a_folder(folder: Path) -> None:
    plan = quick([EXAMPLES], folder / "data", embedders=0)
    async with system.running(plan, print):
        with pytest.raises(system.Busy, match="another"):
            async with system.running(plan, print):
                pass
