"""Documents that are saved again and again, on a real log and a real database: each save is proved and restored."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive import copies, restore, secrets
from mnemostream.archive.again import skipped
from mnemostream.archive.backup.proof import proved
from mnemostream.archive.copies import Archive
from mnemostream.archive.proof.verify import Report, Scope, verify
from mnemostream.contracts.events import Stage
from mnemostream.contracts.requests import ReparseProgress
from mnemostream.contracts.sources import Root
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.secrets.scan import scanner
from mnemostream.services.watcher import reparse
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.files.reading import read_next
from mnemostream.services.watcher.formats import FORMATS
from mnemostream.services.watcher.settings import Settings
from tests.integration.capturing import Stopwatch
from tests.integration.conftest import replayed
from tests.unit.test_saves import said

SESSION = "1783000000000"
KEY = "sk-ant-api03-" + "Zx9" * 31 + "AA"


class Saving:
    """An extension that saves a task, and a watcher that looks after each save."""

    def __init__(self, operator: Bus, folder: Path, **more: Any) -> None:
        self.file = folder / SESSION / "ui_messages.json"
        self.file.parent.mkdir()
        self.clock = Stopwatch()
        settings = Settings(host="laptop", settle_seconds=0.0, **more)
        beat = Beat(Stage.WATCHER, "w", 5.0, self.clock)
        self.capture = Capture(operator, settings, [Root(str(folder), "cline")], Positions(), beat)
        self.saves: list[bytes] = []
        self.times: list[float] = []

    async def save(self, messages: list[dict[str, Any]]) -> None:
        data = json.dumps(messages).encode()
        new = self.file.with_suffix(".tmp")
        new.write_bytes(data)
        os.replace(new, self.file)
        self.clock.ahead += 60
        await self.capture.sweep(asyncio.Event())
        self.saves.append(data)
        self.times.append(self.clock.now())

    async def task(self, count: int) -> None:
        """A task of so many messages, saved after each, whose last one is written in two steps."""
        messages: list[dict[str, Any]] = []
        for number in range(count):
            messages.append(said(number, f"what is said {number} " * 40))
            await self.save(messages)
        messages[-1] = said(count - 1, f"what is said {count - 1} " * 40 + "and an end")
        await self.save(messages)

    def close(self) -> None:
        for known in self.capture.registry:
            known.release()


@pytest.fixture
async def saving(operator: Bus, transcripts: Path) -> Any:
    one = Saving(operator, transcripts)
    yield one
    one.close()


async def _report(kept: Archive, folder: Path) -> Report:
    return await verify(kept, Scope([Root(str(folder), "cline")], True, host="laptop"), lambda *_: None)


async def test_each_save_is_stored_proved_and_restored_by_its_number_and_its_time(
    saving: Saving, transcripts: Path, kept: Archive, nats: Nats, database: str, operator: Bus, folder: Path
) -> None:
    await saving.task(70)
    await replayed(nats, database)
    assert (await _report(kept, transcripts)).gaps == []
    [row] = await restore.find(kept, SESSION)
    states = await restore.generations(kept, row)
    assert [one.end for one in states.values()] == [len(save) for save in saving.saves]
    assert [number for number, one in states.items() if one.base is None] == [0, 64]
    for number in (0, 1, 17, 63, 64, 70):
        file = folder / f"{number}.json"
        done = await restore.restore(kept, row, file, restore.Wish(number))
        assert (file.read_bytes(), done.copy) == (saving.saves[number], "database")
        earlier = folder / f"at-{number}.json"
        await restore.restore(kept, row, earlier, restore.Wish(at=saving.times[number]))
        assert earlier.read_bytes() == saving.saves[number]
    with pytest.raises(restore.Damaged, match="nothing was archived at that time yet"):
        await restore.restore(kept, row, folder / "none", restore.Wish(at=saving.times[0] - 3600))
    rows = await kept.database.fetch("select body, generation from records order by generation, byte_offset")
    assert len([one for one in rows if one["generation"] == 64]) == 70
    page = await kept.database.fetch(copies.queries.read("session_records"), [row.transcript_id])
    assert [one["text"][:16].strip() for one in page][-1] == "what is said 69"
    assert page[-1]["text"].endswith("and an end")
    assert len(page) == 70
    proof = await proved(operator, lambda *_: None)
    assert (proof.problems, proof.transcripts) == ([], 1)
    assert await skipped(kept) == []


DAMAGES = {
    "the base is gone": "delete from segments where generation = 1",
    "the base is cut": "update segments set end_offset = end_offset - 1 where generation = 1",
    "the base has the bytes of another": (
        "update segments set data = (select data from segments where generation = 0) where generation = 1"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damage_to_what_is_shared_is_found_and_the_log_still_restores_the_save(
    saving: Saving, transcripts: Path, kept: Archive, nats: Nats, database: str, folder: Path, damage: str
) -> None:
    await saving.task(3)
    await replayed(nats, database)
    await kept.database.execute(DAMAGES[damage])
    report = await _report(kept, transcripts)
    assert {gap.copy for gap in report.gaps} == {"database"}
    saving.file.unlink()
    assert {gap.copy for gap in (await _report(kept, transcripts)).gaps} == {"database"}
    [row] = await restore.find(kept, SESSION)
    done = await restore.restore(kept, row, folder / "back.json", restore.Wish(3))
    assert (done.copy, (folder / "back.json").read_bytes()) == ("log", saving.saves[3])


async def test_a_document_is_parsed_anew_by_its_lineages(
    saving: Saving, transcripts: Path, kept: Archive, nats: Nats, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = FORMATS["cline"]
    monkeypatch.setattr(type(form), "version", 0, raising=False)
    await saving.task(4)
    await replayed(nats, database)
    monkeypatch.undo()
    told: list[ReparseProgress] = []
    monkeypatch.setattr(reparse, "_say", told.append)
    await reparse.main(reparse.Settings(nats_url=nats.url("operator")), asyncio.Event())
    assert told[-1].reparsed == 1
    assert told[-1].records == 4
    await replayed(nats, database)
    rows = await kept.database.fetch("select body, parser, generation from records order by byte_offset")
    assert {(one["parser"], one["generation"]) for one in rows} == {(form.version, 0)}
    assert rows[-1]["body"].endswith("and an end")
    assert len(rows) == 4
    assert (await _report(kept, transcripts)).gaps == []
    await reparse.main(reparse.Settings(nats_url=nats.url("operator")), asyncio.Event())
    assert told[-1].reparsed == 0


@pytest.mark.parametrize("redact", ["read", "publish"])
async def test_secrets_of_a_document_are_counted_once_and_replaced_in_every_save(
    operator: Bus, transcripts: Path, kept: Archive, nats: Nats, database: str, folder: Path, redact: str
) -> None:
    saving = Saving(operator, transcripts, redact=redact)
    messages = [said(0, f"use {KEY} please"), said(1, "long words " * 30_000)]
    await saving.save(messages)
    await saving.save([*messages, said(2, "done")])
    await saving.save([*messages, said(2, f"done with {KEY[:-4]}BBBB")])
    saving.close()
    await replayed(nats, database)
    assert (await _report(kept, transcripts)).gaps == []
    [session] = (await secrets.listing(kept)).sessions
    assert session.secrets == 2
    [row] = await restore.find(kept, SESSION)
    states = await restore.generations(kept, row)
    assert all(one.base for number, one in states.items() if number)
    done = await restore.restore(kept, row, folder / "back.json")
    back = (folder / "back.json").read_bytes()
    assert (KEY.encode() in back) == (redact != "publish")
    assert done.replaced == (2 if redact == "publish" else 0)
    placeholders = await kept.database.fetchrow(copies.queries.read("secrets_replaced"))
    assert placeholders["secrets"] == done.replaced
    found = [place async for place in secrets.places(kept, SESSION, scanner(""))]
    assert len(found) == (0 if redact == "publish" else 2)
    assert (await proved(operator, lambda *_: None)).problems == []


async def test_a_watcher_that_starts_anew_sends_the_next_save_whole(
    saving: Saving, operator: Bus, transcripts: Path, kept: Archive, nats: Nats, database: str
) -> None:
    await saving.task(3)
    saving.close()
    beat = Beat(Stage.WATCHER, "w", 5.0, saving.clock)
    positions = Positions()
    for checkpoint in (await kept.checkpoints()).values():
        positions.add("cline", checkpoint)
    settings = Settings(host="laptop", settle_seconds=0.0)
    saving.capture = Capture(operator, settings, [Root(str(transcripts), "cline")], positions, beat)
    await saving.save([said(0, "what is said 0 " * 40), said(1, "and something else")])
    await replayed(nats, database)
    [row] = await restore.find(kept, SESSION)
    last = list((await restore.generations(kept, row)).values())[-1]
    assert (last.base, last.end) == (None, len(saving.saves[-1]))
    assert (await _report(kept, transcripts)).gaps == []


async def test_half_a_save_takes_no_record_away_when_a_newer_parser_reads(
    operator: Bus, transcripts: Path, kept: Archive, nats: Nats, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = FORMATS["cline"]
    monkeypatch.setattr(type(form), "version", 0, raising=False)
    saving = Saving(operator, transcripts, segment_bytes=2000)
    messages = [said(number, f"first words {number} " * 30) for number in range(4)]
    await saving.save(messages[:3])
    await saving.save(messages)
    new = saving.file.with_suffix(".tmp")  # a large save; the watcher is killed after its first segment
    new.write_bytes(json.dumps([*messages, said(9, "long " * 2000)]).encode())
    os.replace(new, saving.file)
    [known] = saving.capture.registry
    piece = read_next(known, saving.capture.files, saving.clock.now() + 60, rested=True)
    assert piece.more
    await operator.publish_all(piece.messages)
    saving.close()
    saving.file.unlink()
    await replayed(nats, database)
    monkeypatch.undo()
    told: list[ReparseProgress] = []
    monkeypatch.setattr(reparse, "_say", told.append)
    await reparse.main(reparse.Settings(nats_url=nats.url("operator")), asyncio.Event())
    await replayed(nats, database)
    rows = await kept.database.fetch("select body, parser from records order by byte_offset")
    assert [row["body"].strip() for row in rows] == [one["text"].strip() for one in messages]
    assert {row["parser"] for row in rows} == {form.version}
