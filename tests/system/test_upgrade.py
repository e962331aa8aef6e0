"""Services of the last version before bases (events of version 2) beside those of the present one, on the same servers:
nothing is lost, nothing is there twice. docs/operations.md, "Upgrading, and going back", says what is shown here."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mnemostream.cli.console import EX_FALSE
from mnemostream.contracts.events import Stage
from tests.conftest import eventually
from tests.system.upgrading import STAGES, Both, both, old_modules

WRITER, EMBEDDER, WATCHER = STAGES
READERS = (WRITER, EMBEDDER)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return old_modules(tmp_path_factory.mktemp("old"))


@pytest.fixture
async def running(folder: Path, old: Path) -> AsyncIterator[Both]:
    """The old version has run for a while, and runs."""
    async with both(folder, old) as one:
        await one.provision("old")
        await one.migrate("old")
        await one.start("old", *STAGES)
        await one.say(3)
        yield one


async def test_services_are_replaced_one_by_one_while_lines_come(running: Both) -> None:
    """Schema, streams, writer, embedder beside their predecessors; the watcher last."""
    migrated = asyncio.create_task(_upgraded_servers(running))
    await running.say(4)
    await migrated
    await running.say(2)  # by the old services, on the new schema
    for stage in READERS:
        await running.start("new", stage)
        await running.up("new", stage)
        await running.say(3)  # by whichever of the two gets them
        await running.stop("old", stage)
        await running.say(2)
    await running.stop("old", WATCHER)
    await running.say(stored=False, logged=False)  # while there is no watcher
    await running.start("new", WATCHER)
    await running.say(4)
    events = await running.events()
    assert Counter(event.version for event in events)[2] >= 3
    assert {event.source for event in events if event.version == 2} == {"gemini"}
    await running.proved()


async def _upgraded_servers(running: Both) -> None:
    await running.provision("new")
    await running.migrate("new")


async def test_readers_that_are_started_before_the_schema_is_there_wait_for_it(running: Both) -> None:
    """Readers first, too early; then the schema, and at last the watcher."""
    await running.stop("old", *READERS)
    await running.say(2, stored=False)
    await running.start("new", *READERS)

    async def held() -> None:
        assert "work failed; holding messages" in running.log("writer-new")

    await eventually(held)
    await _upgraded_servers(running)
    await running.say(2)
    await running.stop("old", WATCHER)
    await running.start("new", WATCHER)
    await running.say(3)
    await running.proved()


async def test_events_that_an_old_reader_refuses_are_kept_and_stored_by_its_successor(running: Both) -> None:
    """The wrong order: the new watcher before the readers."""
    await running.stop("old", WATCHER)
    await running.start("new", WATCHER)
    await running.say(4, stored=False)
    await running.read()
    refused = [event for event in await running.events() if event.version == 2]
    letters = await running.letters()
    assert len(refused) == 3, "the first save after a start is whole"
    assert Counter(letter.stage for letter in letters) == {WRITER: 3, EMBEDDER: 3}
    assert len({(letter.stage, letter.stream_sequence) for letter in letters}) == 6
    assert {letter.error for letter in letters} == {"ValidationError: Invalid enum value 2 - at `$.version`"}
    await _upgraded_servers(running)
    await running.stop("old", *READERS)
    await running.start("new", *READERS, Stage.HEALTH)
    await running.say(2)
    assert len(await running.letters()) == 6, "nobody has asked for them"
    code, said = await running.mnemo("verify", "--all")
    assert (code, "not archived" in said) == (EX_FALSE, True), said
    await _retried(running, 6)
    await running.proved()


async def _retried(running: Both, count: int) -> None:
    """By what `mnemo status` tells to do."""
    expected = f"dead letters kept: {count}, {count} of them readable since the last update: run `(.*?)`"

    async def told() -> str:
        found = re.search(expected, (await running.mnemo("status"))[1])
        assert found, running.log("health-new")[-500:]
        return found[1]

    command = await eventually(told)
    done = await running.mnemo(*command.split()[1:])
    assert done == (0, "no dead letters\n"), running.log("health-new")[-2000:]


async def test_the_old_version_goes_on_after_the_present_one_and_what_it_refuses_is_kept(running: Both) -> None:
    """Back again, while events that it refuses wait for it, and forth again."""
    await running.stop("old", *STAGES)
    await _upgraded_servers(running)
    await running.start("new", *STAGES)
    await running.say(3)
    await running.stop("new", *READERS)
    await running.say(2, stored=False)
    await running.stop("new", WATCHER)
    with pytest.raises(RuntimeError, match="the server differs from the topology"):
        await running.provision("old")  # so that `mnemo up` and compose of the old version do not start
    await running.migrate("old")
    await running.start("old", *STAGES)
    await running.say(3)
    await running.read()
    kept = [letter.stage for letter in await running.letters()]
    assert Counter(kept) == {WRITER: 2, EMBEDDER: 2}
    await running.stop("old", *STAGES)
    await _upgraded_servers(running)
    await running.start("new", *STAGES, Stage.HEALTH)
    await running.say(3)
    await _retried(running, 4)
    await running.proved()


async def test_a_migration_that_services_stand_in_the_way_of_is_repeated(running: Both) -> None:
    """Somebody reads one table, and wants the other one, which the migration has in hand."""
    reader = await asyncpg.connect(running.postgres.dsn())
    try:
        async with reader.transaction():
            await reader.execute("lock table reparsed in access share mode")
            migrating = asyncio.create_task(running.migrate("new"))

            async def waiting() -> None:
                locks = (
                    "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = $1::oid"
                )
                (table,) = await running.sql("select 'reparsed'::regclass::oid")
                assert await running.sql(locks, table[0])

            await eventually(waiting)
            await reader.fetch("select count(*) from segments")
        await migrating
    finally:
        await reader.close()
    assert "trying again" in running.log("migrate-new")
    await running.say(2)
    await running.proved()


async def test_a_database_that_a_newer_version_has_changed_is_refused(running: Both) -> None:
    await running.migrate("new")
    await running.sql("insert into migrations (name, sha256) values ('999_later.sql', 'x')")
    with pytest.raises(RuntimeError, match=r"a newer version has changed the database \(999_later.sql\)"):
        await running.migrate("new")
