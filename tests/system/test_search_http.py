"""Search and reading over HTTP: how well a small archive with distractors is found, and what happens when parts die."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil

from mnemostream.local import system
from tests.conftest import EXAMPLES, answer, eventually, jsonl, prompt, quick
from tests.system.dashboard_page import _judged

PAIRS = json.loads((Path(__file__).parent / "search_pairs.json").read_text())
PLANTED = 12
"""Identifiers of each kind that stand in one exchange."""
PARTS = ("fetch", "queue", "lease", "quota", "shard", "route", "batch", "token", "cache", "frame", "proxy", "index")
VERBS = ("slow", "broken", "flaky", "missing", "late", "doubled", "empty", "wrong")


def identifier(kind: str, number: int) -> str:
    """A name that shares its parts with many others.

    >>> identifier("word", 1)
    'queueLeaseWord1'
    """
    first, second = PARTS[number % len(PARTS)], PARTS[(number + 1) % len(PARTS)]
    return f"{first}{second.title()}{kind.title()}{number}"


def distractors(root: Path) -> None:
    """Sessions about other names made of the same parts; a few hold what is looked for."""
    rng = random.Random(16)
    folder = root / "-home-dana-src-mill"
    folder.mkdir(parents=True)
    for number in range(60):
        name = f"{rng.choice(PARTS)}{rng.choice(PARTS).title()}{rng.choice(PARTS).title()}{number + 100}"
        records: list[dict[str, Any]] = []
        for turn in range(4):
            said = f"why is the {rng.choice(PARTS)} {rng.choice(VERBS)} in {name} step {turn}?"
            told = (
                f"Because the {rng.choice(PARTS)} of {name} was {rng.choice(VERBS)}; I changed the {rng.choice(PARTS)}."
            )
            given, printed = f"grep -rn {name} src", f"src/{name}.py:{turn}: {rng.choice(VERBS)} {rng.choice(PARTS)}"
            if number < PLANTED and turn == 2:
                said += f" It began with {identifier('word', number)}."
                given += f" | grep {identifier('call', number)}"
                printed += f"\nTypeError: {identifier('output', number)} is {rng.choice(VERBS)} at line {number}"
            call = {"type": "tool_use", "id": f"t{number}-{turn}", "name": "Bash", "input": {"command": given}}
            result = {"type": "tool_result", "tool_use_id": f"t{number}-{turn}", "content": printed}
            records += [
                prompt(said, f"d{number}-{turn}", cwd="/home/dana/src/mill"),
                answer(call),
                {**prompt("", f"r{number}-{turn}"), "message": {"role": "user", "content": [result]}},
                answer(told),
            ]
        (folder / f"mill-{number:02}.jsonl").write_bytes(jsonl(*records))


async def test_a_small_archive_is_found_and_read(folder: Path) -> None:
    distractors(folder / "more")
    async with system.running(quick([EXAMPLES, (folder / "more").resolve()], folder / "d"), print) as running:
        headers = {"Authorization": f"Bearer {running.endpoints.health_token}"}
        async with httpx.AsyncClient(base_url=running.endpoints.health_url, headers=headers, timeout=60) as client:
            await eventually(lambda: _judged(running.endpoints.health_url), 60)
            await eventually(lambda: _complete(client), within=240)
            await _identifiers_are_found_where_they_stand(client)
            await _questions_in_other_words_are_found(client)
            await _sessions_are_paged_and_read(client)
            await _a_killed_search_process_is_replaced(client)
            await _a_flood_is_refused_and_health_answers(client)
            await _words_answer_without_an_embedder(client, running)


async def found(client: httpx.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    reply = await client.get("/v1/search", params={"q": text, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()  # type: ignore[no-any-return]


async def _complete(client: httpx.AsyncClient) -> None:
    total = (await client.get("/v1/autosave/ledger")).json()["total"]
    assert total["texts"] == total["embedded"] > 500, total
    assert (await found(client, identifier("output", PLANTED - 1)))["hits"]


async def _identifiers_are_found_where_they_stand(client: httpx.AsyncClient) -> None:
    missed = []
    for kind in ("word", "call", "output"):
        for number in range(PLANTED):
            hits = (await found(client, identifier(kind, number), by="exchange", limit=5))["hits"]
            if not hits or hits[0]["exchange_id"] != f"d{number}-2" or "exact" not in hits[0]["why"]:
                missed.append((kind, number))
    assert missed == []
    line = f"TypeError: {identifier('output', 3)} is"
    assert (await found(client, line, limit=1))["hits"][0]["session_id"] == "mill-03"
    assert (await found(client, "fetchQueueLeaseWord1 and none"))["mode"] == "hybrid"
    assert (await found(client, "zzqqxx"))["hits"] == []
    assert (await found(client, " "))["hits"] == []


async def _questions_in_other_words_are_found(client: httpx.AsyncClient) -> None:
    ranks = []
    for pair in PAIRS:
        ids = [hit["exchange_id"] for hit in (await found(client, pair["query"], by="exchange"))["hits"]]
        ranks.append(ids.index(pair["exchange_id"]) if pair["exchange_id"] in ids else 99)
    first, five = (sum(rank < most for rank in ranks) / len(ranks) for most in (1, 5))
    assert first >= 0.7, ranks
    assert five >= 0.9, ranks


async def _sessions_are_paged_and_read(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    cursor = "0"
    while cursor is not None:
        page = (await client.get("/v1/sessions", params={"limit": 25, "cursor": cursor})).json()
        seen += [one["session_id"] for one in page["sessions"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == page["total"] > 60
    [hit] = (await found(client, identifier("call", 5), by="exchange", limit=1, context=1))["hits"]
    assert identifier("call", 5) in "".join(entry["tool_input"] for entry in hit["context"])
    path = f"/v1/sessions/{hit['session_id']}"
    page = (await client.get(path, params={"around": hit["exchange_id"], "limit": 3, "html": "true"})).json()
    assert page["entries"][0]["exchange_id"] == hit["exchange_id"]
    assert page["entries"][0]["html"].startswith("<p>why is the")
    assert page["before"] is not None
    assert (await client.get("/v1/sessions/none")).status_code == 404
    projects = (await client.get("/v1/projects")).json()["projects"]
    assert "/home/dana/src/mill" in [one["project"] for one in projects]
    recent = (await client.get("/v1/autosave/recent", params={"limit": 5, "offset": 240})).json()
    assert recent["total"] == 60 * 4 + 28
    assert recent["count"] == 5


def _search_processes(running: int) -> list[psutil.Process]:
    children = psutil.Process(running).children(recursive=True)
    return [one for one in children if "mnemostream.services.health.search.worker" in " ".join(one.cmdline())]


async def _a_killed_search_process_is_replaced(client: httpx.AsyncClient) -> None:
    [process] = _search_processes(os.getpid())
    process.send_signal(signal.SIGSTOP)
    asked = asyncio.create_task(client.get("/v1/search", params={"q": "queue"}))
    await asyncio.sleep(0.2)
    process.kill()
    assert (await asked).status_code == 503  # told at once, not after a time limit
    assert (await found(client, identifier("word", 1)))["hits"]
    [other] = _search_processes(os.getpid())
    assert other.pid != process.pid


async def _a_flood_is_refused_and_health_answers(client: httpx.AsyncClient) -> None:
    asked = [asyncio.create_task(client.get("/v1/search", params={"q": f"queue {number}"})) for number in range(95)]
    for _ in range(20):
        assert (await client.get("/livez")).status_code == 200
    codes = {reply.status_code for reply in await asyncio.gather(*asked)}
    assert codes <= {200, 503}
    assert (await found(client, identifier("word", 1)))["hits"]


async def _words_answer_without_an_embedder(client: httpx.AsyncClient, running: system.System) -> None:
    child = running.children["embedder-0"]
    assert child.process is not None
    os.kill(child.process.pid, signal.SIGSTOP)
    try:
        without = await found(client, "flaky lease of another kind")
        assert (without["mode"], bool(without["hits"])) == ("words", True)
        assert without["note"].startswith("words only: ")
    finally:
        os.kill(child.process.pid, signal.SIGCONT)
