"""Secrets in the archive: counted by kind and session, masked where they are shown."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive import secrets
from mnemostream.archive.copies import Archive
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus, Message
from mnemostream.services.watcher import reparse
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from tests.conftest import answer, eventually, jsonl, prompt
from tests.integration.conftest import captured, replayed
from tests.integration.health_service import Service
from tests.integration.secret_sessions import RULES, session
from tests.unit.secret_samples import planted


@pytest.mark.parametrize("segment", [300, 100_000])
async def test_secrets_are_counted_by_kind_and_found_again(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str, segment: int
) -> None:
    file, planted_ = session(transcripts)
    plain = transcripts / "plain.jsonl"
    plain.write_bytes(jsonl(prompt("no secret here", "p"), answer("none")))
    await captured(operator, transcripts, segment=segment)
    await replayed(nats, database)
    wanted = Counter(found.kind for line in file.read_bytes().splitlines() for found in RULES.find(line))
    listing = await secrets.listing(kept)
    [one] = listing.sessions
    assert (one.session_id, one.kinds, listing.not_looked) == ("s", dict(wanted), 0)
    places = [place async for place in secrets.places(kept, "s", RULES)]
    data = file.read_bytes()
    assert len(places) == wanted.total()
    for place in places:
        assert data[place.start : place.end].decode() == place.value
        assert place.value in data.splitlines()[place.line - 1].decode()
    found = "".join(place.value for place in places)
    seen = [secret for secret in planted_ if json.dumps(secret)[1:-1] in found]
    assert len(seen) >= 0.95 * len(planted_)
    assert not (await secrets.listing(kept, "no-such-kind")).sessions


async def test_what_was_archived_before_is_looked_at_by_a_reparse(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = session(transcripts)
    monkeypatch.setattr("mnemostream.services.watcher.capture.Secrecy", lambda *_: Secrecy())
    await captured(operator, transcripts)
    monkeypatch.undo()
    await replayed(nats, database)
    listing = await secrets.listing(kept)
    assert (listing.sessions, listing.not_looked) == ([], 1)
    for _ in range(2):
        await reparse.main(reparse.Settings(nats_url=nats.url("operator")), asyncio.Event())
        await replayed(nats, database)
        wanted = Counter(found.kind for line in file.read_bytes().splitlines() for found in RULES.find(line))
        listing = await secrets.listing(kept)
        assert (listing.sessions[0].kinds, listing.not_looked) == (dict(wanted), 0)
    events = [message async for message in kept.messages([subjects.REPARSED])]
    assert len(events) == 1  # the second run found nothing to do
    file.write_bytes(file.read_bytes() + jsonl(prompt(f"again {planted(9)[0][1]}", "more")))
    await captured(operator, transcripts)
    await replayed(nats, database)
    assert (await secrets.listing(kept)).secrets == wanted.total() + 1


async def test_the_api_masks_and_reveals_on_purpose(
    transcripts: Path, operator: Bus, nats: Nats, database: str, service: Any
) -> None:
    _, planted_ = session(transcripts, count=20)
    known = [json.dumps(secret)[1:-1] for secret in planted_ if RULES.find(f"x={secret}".encode())]
    await captured(operator, transcripts, segment=100_000)
    await replayed(nats, database)
    error = f"cannot store {known[0]}"
    letter = DeadLetter(Stage.WRITER, "w", "transcripts.changed.x.y", "TRANSCRIPTS", 1, 1, error, error, b"", 1.0)
    await operator.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), "letter"))
    running: Service = await service()

    async def read(path: str, **params: Any) -> str:
        answer_ = await running.get(path, params=params)
        assert answer_.status_code == 200, answer_.text
        return str(answer_.text)

    async def there() -> None:
        assert json.loads(await read("recent"))["total"] == 20
        assert json.loads(await read("deadletters"))["kept"] == 1

    await eventually(there, 30)
    exchanges = [row["exchange_id"] for row in json.loads(await read("recent"))["conversations"]]
    paths = ["recent", "deadletters", *(f"conversation/{exchange}" for exchange in exchanges)]
    shown = "".join([await read(path) for path in paths])
    revealed = "".join([await read(path, reveal="true") for path in paths])
    assert [secret for secret in known if secret in shown] == []
    assert [secret for secret in known if secret not in revealed] == []
    assert shown.count("[secret: ") >= 3 * len(known)
    other = {"authorization": "Bearer guess"}
    assert (await running.get("recent", params={"reveal": "true"}, headers=other)).status_code == 401
