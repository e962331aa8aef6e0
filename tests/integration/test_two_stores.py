"""One session in two stores of its assistant, a log and a database: one session, each word once, both archived."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive import sessions
from mnemostream.archive.copies import Archive
from mnemostream.archive.find.finder import Finder, opened
from mnemostream.archive.find.question import Question
from mnemostream.archive.sessions import Wanted
from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.rows.once import row_logs
from mnemostream.services.watcher.settings import Settings
from tests.integration.capturing import close
from tests.integration.conftest import replayed
from tests.sources.databases import DATABASES
from tests.sources.samples import ANSWERS, AT, QUESTIONS, SESSION, build, lines


def _cursor_log() -> dict[str, bytes]:
    told = []
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        words = f"<user_query>\n{question}\n</user_query>"
        told.append({"role": "user", "message": {"content": [{"type": "text", "text": words}]}})
        told.append({"role": "assistant", "message": {"content": [{"type": "text", "text": answer}]}})
    return {f"tidepool/agent-transcripts/{SESSION}/{SESSION}.jsonl": lines(*told)}


def _goose_log() -> dict[str, bytes]:
    told: list[dict[str, Any]] = [{"working_dir": "/home/dana", "description": "Tides", "message_count": 4}]
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        for role, text in (("user", question), ("assistant", answer)):
            told.append({"role": role, "created": AT + n, "content": [{"type": "text", "text": text}]})
    return {"s1.jsonl": lines(*told)}


def _opencode_export() -> dict[str, bytes]:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        for mark, role, text in (("u", "user", question), ("v", "assistant", answer)):
            parts = [{"id": f"prt_{n}{mark}", "messageID": f"msg_{n}{mark}", "type": "text", "text": text}]
            info = {"id": f"msg_{n}{mark}", "sessionID": "ses_1", "role": role, "time": {"created": 1000 * AT + n}}
            told.append({"info": info, "parts": parts})
    return {"ses_1.json": json.dumps({"info": {"id": "ses_1", "title": "Tides"}, "messages": told}).encode()}


STORES = {"cursor": (_cursor_log, SESSION), "goose": (_goose_log, "s1"), "opencode": (_opencode_export, "ses_1")}


@pytest.fixture(params=STORES)
async def both(
    request: pytest.FixtureRequest, operator: Bus, transcripts: Path, folder: Path, nats: Nats, database: str
) -> str:
    """The source; its log and its database are archived."""
    source: str = request.param
    for path, data in STORES[source][0]().items():
        (transcripts / path).parent.mkdir(parents=True, exist_ok=True)
        (transcripts / path).write_bytes(data)
    file = folder / "store.db"
    build(file, DATABASES[source]())
    list(row_logs(file, folder, source))
    roots = [Root(str(transcripts), source), Root(str(file), source, rows=str(folder / "rows"))]
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    capture = Capture(operator, Settings(host="laptop", settle_seconds=0.0), roots, Positions(), beat)
    await capture.sweep(asyncio.Event())
    close(capture)
    await replayed(nats, database)
    return source


async def _found(finder: Finder, text: str) -> list[str]:
    return [hit.exchange_id for hit in (await finder.search(Question(text=text, by="exchange"))).hits]


async def test_it_is_listed_shown_and_found_once(both: str, kept: Archive, nats: Nats, database: str) -> None:
    session = STORES[both][1]
    stores = [row for row in await kept.transcripts() if row.session_id == session]
    assert len(stores) == 2
    [listed] = [s for s in (await sessions.sessions(kept.database, Wanted())).sessions if s.session_id == session]
    assert (listed.exchanges, listed.title) == (2, "Tides")
    conversations = await kept.database.fetch("select exchange_id, prompt from conversations")
    shown = {row["prompt"]: row["exchange_id"] for row in conversations}
    assert sorted(row["prompt"] for row in conversations) == sorted(QUESTIONS)
    page = await sessions.page(kept.database, session, 100, 0)
    assert page is not None
    assert [entry.text for entry in page.entries if entry.kind == "prompt"] == list(QUESTIONS)
    assert [entry.text for entry in page.entries if entry.kind == "answer"] == list(ANSWERS)
    assert any(entry.kind == "tool_call" for entry in page.entries)  # the database is the richer store
    async with opened(Endpoints(nats.url("operator"), database, "http://127.0.0.1:1")) as finder:
        for question in QUESTIONS:
            found = await _found(finder, question)
            assert found[0] == shown[question]
            assert len(set(found)) == len(found)
            assert set(found) <= set(shown.values())
