"""The health service on real NATS and PostgreSQL, over HTTP, with a clock of the test's own where time matters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, DeadLetterDropped, Stage
from mnemostream.local.nats_server import Nats
from mnemostream.runtime import heartbeat, provision
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery import consume
from tests.conftest import eventually
from tests.integration.health_service import (
    STAGES,
    Receiver,
    _true,
    healthy,
)


async def test_a_worker_goes_on_when_its_consumer_is_back(nats: Nats, operator: Bus) -> None:
    done: list[int] = []
    stop = asyncio.Event()
    beat = heartbeat.Beat(Stage.WRITER, "w", 5.0, SystemClock())

    async def do(events: Any) -> None:
        done.append(len(events))

    task = asyncio.create_task(consume.work(operator, topology.WRITER_EMBEDDINGS, do, beat, stop))
    await eventually(lambda: _true(beat.last_poll > 0))
    await operator.stream.delete_consumer("EMBEDDINGS", "writer")
    await eventually(lambda: _true("no contact with consumer writer" in beat.last_error))
    assert beat.consecutive_failures == 0  # no failure of the work: TopologyDrift names the cause
    await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
    golden = (Path(codec.__file__).parent / "golden" / "RecordsEmbedded.v1.json").read_bytes()
    await operator.publish(Message(subjects.embedded("claude-code", "t"), golden, "one"))
    await eventually(lambda: _true(done == [1]))
    stop.set()
    await task


# --- dead letters -------------------------------------------------------------------------------------------------


async def test_dead_letters_are_shown_counted_and_tried_again(service: Any, nats: Nats, operator: Bus) -> None:
    from mnemostream.runtime.delivery import retry
    from mnemostream.runtime.delivery.custody import Gate
    from mnemostream.runtime.errors import Permanent

    one = await service(token="secret")
    await healthy(one)
    works, done = {"fails": True}, []

    async def do(events: Any) -> None:
        if works["fails"]:
            raise Permanent("still no good")
        done.append(events[0])

    beat = heartbeat.Beat(Stage.WRITER, "w", 5.0, SystemClock())
    golden = (Path(codec.__file__).parent / "golden" / "TranscriptChanged.v1.json").read_bytes()
    original = subjects.changed("x", "t")
    await operator.publish(Message(original, golden, "original"))
    facts = (original, "TRANSCRIPTS", 1, 6, "Permanent: <b>no</b>", "", golden, one.clock.now())
    for number, stage in enumerate((Stage.WRITER, Stage.WATCHER)):
        letter = DeadLetter(stage, "w", *facts)
        await operator.publish(Message(subjects.deadletter(stage), codec.encode(letter), f"d{number}"))

    async def listed(count: int, retry_word: str = "") -> dict[str, Any]:
        found = (await one.get("deadletters")).json()
        assert (found["kept"], found["total"]) == (count, count), found
        own = [letter for letter in found["deadletters"] if letter["stage"] == "writer"]
        assert all(retry_word in letter["retry"] for letter in own), [letter["retry"] for letter in own]
        return found

    found = await eventually(lambda: listed(2))
    assert (await one.get("deadletters?stage=writer")).json()["total"] == 1
    answer = await one.passed(0)
    assert answer["stages"]["writer"]["reason"] == "DeadLettersGrew"
    numbers = {letter["stage"]: letter["sequence"] for letter in found["deadletters"]}
    post, headers = f"{one.url}/v1/autosave/deadletters/{{}}/retry", {"authorization": "Bearer secret"}
    assert (await one.client.post(post.format(numbers["watcher"]), headers=headers)).status_code == 409

    async def tried(count: int, word: str) -> None:
        """Asks again as long as there is another outcome: on a slow machine a request may be too late."""
        try:
            await listed(count, word)
        except AssertionError:
            letters = (await one.get("deadletters?stage=writer")).json()["deadletters"]
            if letters and letters[0]["retry"] != "pending":
                answer = await one.client.post(post.format(numbers["writer"]), headers=headers)
                assert answer.status_code in (202, 404, 429)
            await asyncio.sleep(0.3)
            raise

    await eventually(lambda: tried(2, "no writer is running"))
    await retry.serve(operator, Stage.WRITER, {topology.WRITER_TRANSCRIPTS: do}, beat, Gate())
    await eventually(lambda: tried(2, "still no good"))
    works["fails"] = False
    await eventually(lambda: tried(1, ""))
    gone = f"{one.url}/v1/autosave/deadletters/{numbers['watcher']}"
    assert (await one.client.delete(gone)).status_code == 401
    assert (await one.client.delete(f"{gone}?why=copied+twice", headers=headers)).status_code == 202
    await eventually(lambda: listed(0))
    kept = await operator.stream.get_last_msg("HEALTH", subjects.letter_dropped(Stage.WATCHER))
    event = codec.decode(kept.data or b"")
    assert isinstance(event, DeadLetterDropped)
    assert (event.sequence, event.why, event.subject) == (numbers["watcher"], "copied twice", original)
    assert codec.encode(done[0]) == codec.encode(codec.decode(golden))
    assert beat.processed == 1


async def test_webhooks_outlast_a_receiver_that_fails_hangs_and_lies(
    service: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnemostream.services.health.notify.webhooks.TIMEOUT", 0.3)
    monkeypatch.setattr("mnemostream.services.health.notify.webhooks.BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr("mnemostream.services.health.notify.webhooks.TRIES", 20)
    troubles = ["fails", "hangs", "lies", "redirects", "cuts", "trickles", "limits", "misleads"]
    receiver.behaviour = list(troubles)
    url = f"http://127.0.0.1:{receiver.port}/secret-path"
    one = await service(webhooks=url, webhook_seconds=30.0)
    await healthy(one)
    await one.beat(Stage.WRITER, consecutive_failures=7, last_error="it hurts <@everyone>")

    async def taken(count: int) -> list[dict[str, Any]]:
        found = [body for how, body in receiver.got if how == "takes"]
        assert len(found) == count, receiver.got
        return found

    (alert,) = await eventually(lambda: taken(1))
    assert [how for how, _ in receiver.got] == [*troubles, "takes"]
    assert len({body["_key"] for _, body in receiver.got}) == 1  # the same alert each time: a receiver can tell
    assert (alert["component"], alert["status"], alert["resolved"]) == ("writer", "unhealthy", False)
    assert "7 consecutive failures" in alert["text"]
    await one.beat(Stage.WRITER, consecutive_failures=0)
    await one.passed(31, beating=STAGES)
    resolved = (await eventually(lambda: taken(2)))[1]
    assert (resolved["component"], resolved["status"], resolved["resolved"]) == ("writer", "healthy", True)
    told = (await one.get("metrics")).text
    assert 'mnemostream_webhook_delivered_total{number="0",target="json:127.0.0.1:' in told
    assert "secret-path" not in told
