"""The health service on real NATS and PostgreSQL, over HTTP, with a clock of the test's own where time matters."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local.child import Child
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.errors import Misconfigured
from mnemostream.services.health import main as health
from mnemostream.services.health.settings import Settings
from tests.conftest import answer as said
from tests.conftest import eventually, jsonl, prompt, some_port
from tests.integration.health_service import (
    OLD_SHAPE,
    STAGES,
    Clock,
    Receiver,
    _true,
    healthy,
    receiving,
)


@pytest.mark.parametrize("how", ["latin", "nests"])
async def test_a_strange_answer_ends_nothing(service: Any, receiver: Receiver, how: str) -> None:
    receiver.behaviour = [how]
    one = await service(webhooks=f"http://127.0.0.1:{receiver.port}/", webhook_seconds=1.0)
    await healthy(one)
    await one.beat(Stage.WRITER, consecutive_failures=7, last_error="it hurts")
    await eventually(lambda: _true([seen for seen, _ in receiver.got] == [how]))
    await one.beat(Stage.WRITER, consecutive_failures=0)
    await one.passed(3, beating=STAGES)
    await eventually(lambda: _true(len(receiver.got) == 2))  # the service lives, and tells the next one


async def test_a_receiver_on_this_machine_is_reached_past_a_proxy(
    service: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    one = await service(webhooks=f"http://localhost:{receiver.port}/", webhook_seconds=1.0)
    await healthy(one)
    await one.beat(Stage.WRITER, consecutive_failures=7, last_error="it hurts")
    await eventually(lambda: _true(len(receiver.got) == 1))


@pytest.mark.parametrize(
    "text",
    ["ftp://x", "http://10.0.0.300/x", "http://h:abc/", "http://h:80800/", "http://[bad/", "nonsense", "http://"],
)
def test_a_receiver_that_cannot_be_is_refused_without_telling_its_address(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings(webhooks=f"https://good.example/secret {text}")
    assert "entry 2" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_one_receiver_that_hangs_delays_no_other(
    service: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.behaviour = ["hangs"] * 99
    async with receiving() as other:
        urls = (
            f"http://127.0.0.1:{receiver.port}/a slack+http://127.0.0.1:{other.port}/b "
            f"discord+http://127.0.0.1:{other.port}/c"
        )
        one = await service(webhooks=urls)
        await healthy(one)
        await one.beat(Stage.WRITER, consecutive_failures=7, last_error="<!everyone> & co")

        async def both() -> None:
            bodies = [body for _, body in other.got]
            assert any("embeds" in body and body["allowed_mentions"] == {"parse": []} for body in bodies), bodies
            assert any("&lt;!everyone&gt; &amp; co" in body.get("text", "") for body in bodies), bodies

        await eventually(both, within=10)


async def test_the_bus_can_be_away_when_health_starts(nats: Nats, service: Any, operator: Bus) -> None:
    child: Child = nats.child  # type: ignore[attr-defined]
    assert child.process
    os.kill(child.process.pid, signal.SIGSTOP)
    try:
        port, stop = some_port(), asyncio.Event()
        settings = Settings(nats_url=nats.url("operator"), postgres_dsn="postgresql://127.0.0.1:1/x", port=port)
        task = asyncio.create_task(health.main(settings, stop, Clock()))
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:

            async def told() -> None:
                try:
                    answer = await client.get(f"http://127.0.0.1:{port}/v1/autosave/health")
                except httpx.TransportError as error:
                    raise AssertionError(error) from error
                assert answer.status_code == 503
                jsonschema.validate(answer.json(), OLD_SHAPE)
                assert answer.json()["status"] == "unhealthy", answer.text

            await eventually(told, within=25)
        stop.set()
        await task
    finally:
        os.kill(child.process.pid, signal.SIGCONT)


async def test_a_huge_conversation_comes_in_pages(
    service: Any, transcripts: Path, fill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number and by size: no answer is larger than what was decided, and all of it can be read."""
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {"command": f"{n} " * 50}} for n in range(40)]
    lines = [prompt("the question", "q"), *(said(call, f"step {n} " + "x" * 900) for n, call in enumerate(calls))]
    (transcripts / "s.jsonl").write_bytes(jsonl(*lines))
    await fill()
    monkeypatch.setattr("mnemostream.services.health.http.routes.archive.CHARACTERS", 10_000)
    one = await service()
    await healthy(one)
    whole = (await one.get("conversation/q?limit=1000")).json()
    assert whole["truncated"]
    assert 4000 < len(whole["answer"]) <= 5000
    assert whole["answer"].endswith("…")  # the word that the cut went through may be half of a secret
    seen, following, pages = [], 0, 0
    while following is not None:
        page = (await one.get(f"conversation/q?limit=7&offset={following}")).json()
        assert 1 <= len(page["records"]) <= 7
        assert sum(len(r["text"]) + len(r["tool_input"]) for r in page["records"]) < 11_500
        assert (page["total"], page["offset"]) == (81, following)
        seen += [record["text"] or record["tool_input"] for record in page["records"]]
        following, pages = page["next"], pages + 1
    assert len(seen) == 81
    assert seen[0] == "the question"
    assert [text.split()[1] for text in seen if text.startswith("step")] == [str(n) for n in range(40)]
    assert pages > 11
    assert (await one.get("conversation/q?limit=1001")).status_code == 400


async def test_letters_beyond_the_newest_are_reached_when_those_are_gone(service: Any, operator: Bus) -> None:
    one = await service()
    await healthy(one)
    facts = ("x.y", "TRANSCRIPTS", 5, 6, "no", "", b"{}", one.clock.now())
    for number in range(205):
        letter = DeadLetter(Stage.WRITER, "w", *facts)
        await operator.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), f"d{number}"))
    await operator.stream.publish(subjects.deadletter(Stage.EMBEDDER), b"no letter at all")

    async def listed(kept: int, first: int, last: int) -> None:
        page = (await one.get("deadletters?limit=100")).json()
        rest = (await one.get("deadletters?limit=100&offset=100")).json()
        assert (page["kept"], page["total"]) == (kept, min(kept, 200)), page["kept"]
        numbers = [letter["sequence"] for letter in page["deadletters"] + rest["deadletters"]]
        assert (numbers[0], numbers[-1]) == (last, first), (numbers[0], numbers[-1])

    await eventually(lambda: listed(206, 7, 206))
    strange = (await one.get("deadletters?stage=embedder")).json()["deadletters"]
    assert [(letter["text"], letter["error"][:17]) for letter in strange] == [("no letter at all", "cannot be decoded")]
    await operator.stream.purge_stream(topology.DEADLETTERS.name, seq=3)  # the two oldest
    for sequence in range(10, 207):
        await operator.stream.delete_msg(topology.DEADLETTERS.name, sequence)
    await eventually(lambda: listed(7, 3, 9))
