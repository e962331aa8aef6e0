"""Parts of the tests of the whole pipeline."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import zstandard

from mnemostream.archive.find.finder import opened
from mnemostream.archive.find.question import Question
from mnemostream.local import system
from tests.conftest import answer, eventually, jsonl, prompt


@asynccontextmanager
async def database(running: system.System) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(running.endpoints.postgres_dsn, timeout=5)
    try:
        yield connection
    finally:
        connection.terminate()  # `close` waits for ever for a server that was killed


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
    """As the owner asks: with the token."""
    more["headers"] = {"authorization": f"Bearer {running.endpoints.health_token}", **more.get("headers", {})}
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            return await client.get(f"{running.endpoints.health_url}{path}", **more)
        except httpx.TransportError as error:
            raise AssertionError(error) from error


async def _every_paraphrase_finds_its_exchange(running: system.System) -> None:
    pairs = json.loads((Path(__file__).parent / "search_pairs.json").read_text())
    assert len(pairs) >= 20
    missed = []
    async with opened(running.endpoints) as finder:
        for pair in pairs:
            found = await finder.search(Question(text=pair["query"], by="exchange", limit=10))
            for _ in range(20):  # a busy machine makes the embedder late: words answer then, and say so
                if found.mode == "hybrid":
                    break
                found = await finder.search(Question(text=pair["query"], by="exchange", limit=10))
            assert found.mode == "hybrid", found.note
            ids = [hit.exchange_id for hit in found.hits]
            assert pair["exchange_id"] in ids, pair["query"]
            if pair["exchange_id"] not in ids[:5]:
                missed.append(pair["query"])
    assert len(missed) <= 1, missed


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
    described = await get(running, "/schema")
    assert "<code>/v1/search</code>" in described.text
    assert "<script" not in described.text

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
