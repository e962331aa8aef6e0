"""Thousands of stories of a watcher, a disk and a bus; see model.py. Then the real database gets the log."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import asyncpg
import pytest

from mnemostream.contracts import codec
from mnemostream.runtime import tasks
from mnemostream.services.writer.database import Database, connect
from tests.conformance.model import Case, Key

CASES = int(os.environ.get("MNEMO_TEST_CASES", "500"))
SEED = int(os.environ.get("MNEMO_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 40)


@pytest.mark.timeout(max(300, CASES))
async def test_at_rest_every_byte_is_in_the_log_and_every_record_is_one_row(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "BACKOFF", (0.0,))
    with capsys.disabled():
        sys.stderr.write(f"\n{CASES} cases from MNEMO_TEST_SEED={SEED} ")
    compared = 0
    async with connect(database) as store:
        for seed in range(SEED, SEED + CASES):
            case = Case(seed, tmp_path / str(seed))
            await case.run()
            files, wanted = case.check()
            compared += files
            await _rows(store, database, case, wanted)
            shutil.rmtree(tmp_path / str(seed))
    assert compared > CASES


async def _rows(store: Database, dsn: str, case: Case, wanted: dict[Key, str]) -> None:
    """The log, in another order and some of it twice, gives one row per record."""
    events = [codec.decode(message.payload) for message in case.log.messages]
    shuffled = [*events, *case.random.sample(events, len(events) // 3)]
    case.random.shuffle(shuffled)
    for start in range(0, len(shuffled), 50):
        await store.store_transcripts(shuffled[start : start + 50])
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select * from records r join transcripts t using (transcript_id)")
        newest = {key[:2] for key in wanted}
        found = {
            (row["transcript_id"], row["generation"], row["record_id"], row["block"], row["part"]): row["body"]
            for row in rows
            if (row["transcript_id"], row["generation"]) in newest
        }
        assert found == {key: codec.storable(text) for key, text in wanted.items()}, str(case)
        await connection.execute("truncate transcripts, segments, records")
    finally:
        await connection.close()
