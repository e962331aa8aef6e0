"""Who may read what over HTTP: without the token no word, name or path, on loopback too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts.events import Stage
from mnemostream.contracts.vitals import WatcherVitals
from tests.conftest import answer, eventually, jsonl, prompt
from tests.integration.health_service import OWNER, healthy

CLOSED = ("recent", "conversation", "deadletters", "hosts", "/v1/search", "/v1/sessions", "/v1/projects")
SECRETS = ("hush-hush", "/home/dana", "invoice of Lothar", "tax-2026.jsonl", "odd-type")


async def told(service: Any) -> None:
    """A watcher that names files, and a writer whose error quotes a path and a text."""
    await service.beat(
        Stage.WATCHER,
        vitals=WatcherVitals(
            files=3,
            unreadable_files=1,
            unreadable="tax-2026.jsonl: Permission denied",
            uncaptured={"too large": 1},
            uncaptured_names="too large: hush-hush.txt",
            mode="poll",
            mode_reason="[Errno 28] no watches left: '/home/dana/hush-hush'",
            lines={"unknown:odd-type": 2, "unknown:origin.kind=odd-type@1": 1},
        ),
    )
    error = "Transient: PostgreSQL: cannot store 'invoice of Lothar' of /home/dana/x"
    await service.beat(Stage.WRITER, consecutive_failures=6, last_error=error)


async def test_everything_that_is_open_is_without_content_names_and_paths(
    service: Any, transcripts: Path, fill: Any
) -> None:
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("the invoice of Lothar", "p1", cwd="/home/dana"), answer("a")))
    await fill()
    one = await service()
    await healthy(one)
    await told(one)

    async def shown_to_the_owner() -> None:
        await told(one)
        health, stats = (await one.get("health")).text, (await one.get("stats")).text
        ledger, recent = (await one.get("ledger")).text, (await one.get("recent")).text
        for text, wanted in (
            (health, SECRETS[:4]),
            (stats, SECRETS[4:]),
            (ledger, SECRETS[:1]),
            (recent, SECRETS[1:3]),
        ):
            assert [secret for secret in wanted if secret not in text] == []

    await eventually(shown_to_the_owner)
    paths = (await one.client.get(f"{one.url}/schema/openapi.json")).json()["paths"]
    gets = [path.replace("{exchange}", "p1") for path, verbs in paths.items() if "get" in verbs]
    assert len(gets) > 8
    for path in [path for path in gets if "events" not in path]:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer x"},
            {"cookie": "token=secret"},
        ):
            found = await one.client.get(f"{one.url}{path}", headers=headers)
            assert [secret for secret in SECRETS if secret in found.text] == [], (path, found.text)
            closed = any(word in path for word in CLOSED)
            assert (found.status_code == 401) == closed, path
    anonymous = (await one.client.get(f"{one.url}/v1/autosave/health")).json()
    writer = anonymous["stages"]["writer"]
    assert (writer["reason"], writer["consecutive_failures"]) == ("FailingRepeatedly", 6)
    assert "Transient: …" in writer["cause"]


@pytest.mark.parametrize("headers", [{}, OWNER])
async def test_the_events_of_the_page_are_as_open_as_the_answers(service: Any, headers: dict[str, str]) -> None:
    one = await service()
    await healthy(one)
    await told(one)

    async def names() -> None:
        await told(one)
        async with (
            asyncio.timeout(5),
            one.client.stream("GET", f"{one.url}/v1/autosave/events", headers=headers) as sent,
        ):
            async for line in sent.aiter_lines():
                if line.startswith("data:"):
                    assert [secret for secret in SECRETS[:3] if (secret in line) != bool(headers)] == []
                    return

    await eventually(names)


async def test_a_service_without_a_token_shows_no_content_and_says_how(service: Any) -> None:
    one = await service(token="")
    await healthy(one)
    refused = await one.client.get(f"{one.url}/v1/autosave/recent", headers={"authorization": "Bearer x"})
    assert refused.status_code == 401
    assert "set MNEMO_HEALTH_TOKEN" in refused.json()["detail"]
