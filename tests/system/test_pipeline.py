"""The whole system as a user runs it: real processes, NATS, PostgreSQL, the real model."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import asyncpg

from mnemostream.cli import progress
from mnemostream.cli.console import EX_DEAD_LETTERS, err
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local import system
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Message
from tests.conftest import EXAMPLES, answer, eventually, jsonl, prompt, quick
from tests.system.pipeline_parts import (
    _every_paraphrase_finds_its_exchange,
    _the_health_api_says_so,
    _the_log_is_readable,
    archived,
    complete,
    database,
    get,
    session,
)


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


async def test_once_ends_beside_dead_letters_and_tells_what_was_saved(folder: Path) -> None:
    said: list[str] = []
    async with system.running(quick([EXAMPLES], folder / "data"), print) as running:
        facts = ("transcripts.changed.x.t", "TRANSCRIPTS", 1, 6, "Permanent: no", "", b"", 0.0)
        async with bus.connect(running.endpoints.nats_url, "test") as operator:
            letter = codec.encode(DeadLetter(Stage.WRITER, "w", *facts))
            await operator.publish(Message(subjects.deadletter(Stage.WRITER), letter, "d"))
        ended = await progress.follow(running, err, asyncio.Event(), once=True, say=said.append)
    assert ended.code == EX_DEAD_LETTERS
    assert re.fullmatch(r"(\S+) of \1 MB stored; dead letters: 1.*; see `mnemo deadletters`", ended.words)
    assert [line.partition(":")[0] for line in said][-1] == "everything saved and embedded"
    assert said[-1].endswith("watching 1 folder")


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
