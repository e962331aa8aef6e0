"""The health service on real NATS and PostgreSQL, over HTTP, with a clock of the test's own where time matters."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import psutil
import pytest
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, Heartbeat, Phase, Stage
from contracts.vitals import WatcherVitals
from local.child import Child
from local.nats_server import Nats
from runtime import heartbeat, provision
from runtime.bus import Bus, Message, connect
from runtime.clock import SystemClock
from runtime.delivery import consume
from runtime.errors import Misconfigured
from services.health import main as health
from services.health.settings import Settings
from tests.conftest import answer as said
from tests.conftest import eventually, jsonl, prompt, some_port

OLD_SHAPE = json.loads((Path(__file__).parent.parent / "old_health.schema.json").read_text())
STEP = 7.5
"""Less than what the service takes for sleep."""
STAGES = (Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER)


class Clock(SystemClock):
    """Moved by the test; real time hardly counts, so that 59 s stay 59 s on a slow machine."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.began = super().now()

    def now(self) -> float:
        return self.began + self.offset + (super().now() - self.began) / 100


class Service:
    """A health service in this process, asked over HTTP."""

    def __init__(self, port: int, clock: Clock, bus: Bus, client: httpx.AsyncClient) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.bus = bus
        self.client = client
        self.sequence = 0
        self.boots = {stage: uuid.uuid4().hex for stage in STAGES}

    async def get(self, path: str = "health", **more: Any) -> httpx.Response:
        try:
            return await self.client.get(f"{self.url}/v1/autosave/{path}", **more)
        except httpx.TransportError as error:
            raise AssertionError(error) from error

    async def beat(self, *stages: Stage, **more: Any) -> None:
        """One heartbeat of each stage, as if nothing else were going on."""
        for stage in stages or STAGES:
            self.sequence += 1
            facts = {
                "stage": stage,
                "instance": f"{stage}-0",
                "boot_id": self.boots[stage],
                "sequence": self.sequence,
                "sent_at": self.clock.now(),
                "phase": Phase.RUNNING,
                "interval_seconds": 5.0,
                "uptime_seconds": 1000.0,
                "pid": 1,
                "service_version": "0",
                "processed": 1,
                "vitals": WatcherVitals(backlog_bytes=0) if stage is Stage.WATCHER else None,
            }
            made = Heartbeat(**{**facts, **more})
            await self.bus.client.publish(subjects.heartbeat(stage, made.instance), codec.encode(made))
        await self.bus.client.flush()

    async def passed(self, seconds: float, *, beating: tuple[Stage, ...] = ()) -> dict[str, Any]:
        """The answer after so much time on the clock, in steps that are no sleep; it was judged at that time."""
        left = seconds
        while left > 0:
            self.clock.offset += min(STEP, left)
            left -= min(STEP, left)
            if beating:
                await self.beat(*beating)
            await self._judged()
        return await self._judged()

    async def _judged(self) -> dict[str, Any]:
        """The first answer that was judged three times at the present time: hysteresis has had its say."""
        seen: set[str] = set()

        async def again() -> dict[str, Any]:
            answer = (await self.get()).json()
            seen.add(answer["timestamp"])
            assert len(seen) > 5
            return answer

        return await eventually(again)


@pytest.fixture
async def service(
    nats: Nats, operator: Bus, database: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Starts health services; all are stopped at the end."""
    running: list[tuple[asyncio.Event, asyncio.Task[None], httpx.AsyncClient]] = []

    async def start(**more: Any) -> Service:
        clock, port, stop = Clock(), some_port(), asyncio.Event()
        facts = {"evaluate_seconds": 0.03, "probe_seconds": 0.1, "figures_seconds": 0.2, "heartbeat_seconds": 0.5}
        settings = Settings(
            **{**facts, "nats_url": nats.url("operator"), "postgres_dsn": database, "port": port, **more}
        )
        task = asyncio.create_task(health.main(settings, stop, clock))
        client = httpx.AsyncClient(timeout=10, trust_env=False)
        running.append((stop, task, client))
        made = Service(port, clock, operator, client)

        async def known() -> None:
            assert (await made.get()).json()["bus"]["status"] == "reachable"

        await eventually(known)
        return made

    yield start
    for stop, task, client in running:
        stop.set()
        await task
        await client.aclose()


async def healthy(one: Service) -> dict[str, Any]:
    await one.beat()

    async def well() -> dict[str, Any]:
        answer = (await one.get()).json()
        assert answer["status"] == "healthy", answer["issues"]
        return answer

    return await eventually(well)


# --- the published table ------------------------------------------------------------------------------------------


AGES = [
    (0, "healthy", 200),
    (59, "healthy", 200),
    (60, "degraded", 200),
    (61, "degraded", 200),
    (119, "degraded", 200),
    (121, "unhealthy", 503),
]
FAILURES = [(0, "healthy", 200), (1, "degraded", 200), (4, "degraded", 200), (5, "unhealthy", 503)]


async def test_the_published_table_over_http(service: Any) -> None:
    """The running service, its clock moved by the test; 120 s itself is in the proof table of the pure rules."""
    one = await service()
    for age, status, code in AGES:
        await healthy(one)
        await one.beat()
        await one.passed(0)  # it was received
        answer = await one.passed(age, beating=(Stage.EMBEDDER, Stage.WRITER))
        assert answer["stages"]["watcher"]["status"] == status, answer["stages"]["watcher"]
        assert answer["stages"]["writer"]["status"] == "healthy"
        assert answer["status"] == status
        assert age <= answer["daemon"]["heartbeat_age_seconds"] < age + 0.9
        assert (await one.get()).status_code == code
    for count, status, code in FAILURES:
        await healthy(one)
        await one.beat(Stage.WRITER, consecutive_failures=count, last_error="it hurts")
        answer = await one.passed(0)
        assert answer["stages"]["writer"]["status"] == status
        assert answer["stages"]["writer"]["consecutive_failures"] == count
        assert (await one.get()).status_code == code


async def test_three_hours_of_sleep_are_no_fault(service: Any) -> None:
    one = await service()
    await healthy(one)
    one.clock.offset += 3 * 3600
    answer = await one.passed(0)
    assert answer["status"] == "healthy", answer["issues"]
    await one.beat()
    assert (await one.passed(0))["status"] == "healthy"


# --- compatibility, errors, bounds --------------------------------------------------------------------------------


async def test_the_old_shape_is_kept(service: Any) -> None:
    one = await service()
    for answer in (await healthy(one), (await one.get()).json()):
        jsonschema.validate(answer, OLD_SHAPE)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**answer, "daemon": {}}, OLD_SHAPE)


async def test_errors_are_problem_documents_and_lists_are_bounded(service: Any) -> None:
    one = await service(token="secret")
    await healthy(one)
    for path, code, word in (
        ("recent?limit=0", 400, "limit"),
        ("recent?limit=101", 400, "limit"),
        ("timeline?days=9999", 400, "days"),
        ("deadletters?stage=nope", 400, "stage"),
        ("conversation/none", 404, "no conversation"),
        ("nothing-here", 404, "Not Found"),
    ):
        answer = await one.get(path)
        assert answer.status_code == code, path
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        assert (problem["status"], word in problem["detail"]) == (code, True), problem
    refused = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry")
    assert refused.status_code == 401
    assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]
    for path in ("health", "recent", "../../livez", "../../autosave"):
        head, whole = await one.client.head(f"{one.url}/v1/autosave/{path}"), await one.get(path)
        assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
    for accept, kind in (
        ("text/html, Application/health+json;q=0.3", "application/health+json"),
        ("application/health+json;q=0, */*", "application/json"),
    ):
        answer = await one.get("health", headers={"accept": accept})
        assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "Accept")
    for token, code in (("bearer secret", 404), ("Bearer secret", 404), ("secret", 401), ("Basic secret", 401)):
        asked = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry", headers={"authorization": token})
        assert asked.status_code == code, token
    names = {"evil.example": 400, "127.0.0.1.evil.example": 400, "localhost:1": 200, "LOCALHOST": 200}
    for host, code in names.items():
        strange = await one.get("recent", headers={"host": host})  # DNS rebinding
        assert (strange.status_code, "x-content-type-options" in strange.headers) == (code, True), host
    assert (await one.get("conversation/%00")).status_code == 404
    page = (await one.get("timeline?days=1&limit=2")).json()
    assert page["count"] == 2
    assert page["next"] == 2
    document = (await one.client.get(f"{one.url}/schema/openapi.json")).json()
    paths = document["paths"]
    assert {"/v1/autosave/health", "/v1/autosave/conversation/{exchange}", "/metrics"} <= set(paths)
    for path, methods in paths.items():
        for told in methods.values():
            assert told["description"], path
            for response in told["responses"].values():
                for kind, content in response.get("content", {}).items():
                    assert kind.startswith("text/") or content.get("examples"), (path, kind)


async def test_content_needs_the_token_when_not_on_loopback(service: Any) -> None:
    one = await service(bind="0.0.0.0", token="secret")
    for path in ("recent", "deadletters", "conversation/x"):
        assert (await one.get(path)).status_code == 401, path
        assert (await one.get(path, headers={"authorization": "Bearer wrong"})).status_code == 401
    assert (await one.get("recent", headers={"authorization": "Bearer secret"})).status_code == 200
    assert (await one.get("health")).status_code in (200, 503)


# --- it waits for nothing -----------------------------------------------------------------------------------------


def processes(pid: int) -> list[psutil.Process]:
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


@asynccontextmanager
async def frozen(*servers: Child) -> AsyncIterator[None]:
    """As good as a black hole: connections stay open, nothing answers."""
    held = [process for server in servers if server.process for process in processes(server.process.pid)]
    for process in held:
        process.suspend()
    try:
        yield
    finally:
        for process in held:
            process.resume()


async def test_answers_do_not_wait_for_frozen_servers(service: Any, nats: Nats, database: str) -> None:
    """200 instances beat, then NATS and PostgreSQL freeze; `bench/health_latency.py` has the figures."""
    one = await service(probe_seconds=0.5)
    for number in range(200):
        await one.beat(STAGES[number % 3], instance=f"{STAGES[number % 3]}-{number}", boot_id=f"b{number}")

    async def counted() -> None:
        stages = (await one.get()).json()["stages"]
        assert sum(len(stage["instances"]) for stage in stages.values()) == 200

    await eventually(counted)
    postgres = next(
        process
        for process in psutil.Process().children()
        if "postgres" in process.name() and f"-D {Path(nats.data)}" in " ".join(process.cmdline())
    )
    held = [*processes(postgres.pid)]
    for process in held:
        process.suspend()
    try:
        async with frozen(nats.child):  # type: ignore[attr-defined]

            async def named() -> None:
                answer = await one.get()
                assert answer.status_code == 503
                assert answer.json()["bus"]["status"] == "unreachable"
                assert answer.json()["database"]["status"] == "unreachable"

            await eventually(named, within=20)
            took = []
            for path in ("health", "stats", "ledger", "recent", "timeline", "deadletters", "metrics") * 30:
                began = time.perf_counter()
                assert (await one.get(path)).status_code in (200, 503)
                took.append(time.perf_counter() - began)
            assert statistics.median(took) < 0.25  # a wide bound: a handler that waited would take seconds
            began = time.perf_counter()
            assert (await one.get("conversation/x")).status_code == 503  # the one that asks the database gives up
            assert time.perf_counter() - began < 15
    finally:
        for process in held:
            process.resume()
    await one.beat()

    async def known_again() -> None:
        assert (await one.get()).json()["bus"]["status"] == "reachable"

    await eventually(known_again)


# --- the timeline, restarts ---------------------------------------------------------------------------------------


async def test_a_restart_forgets_nothing_and_does_not_flicker(service: Any, operator: Bus) -> None:
    one = await service(instance="first")
    await healthy(one)
    for count in (1, 2, 3):
        await one.beat(Stage.WRITER, consecutive_failures=count, last_error="it hurts", processed=0)
    before = await one.passed(0)
    assert before["stages"]["writer"]["status"] == "degraded"
    two = await service(instance="second")  # beside the first one: both read the same streams
    seen = [(await two.get()).json()]
    for _ in range(20):
        seen.append((await two.get()).json())
    known = [answer for answer in seen if answer["stages"]]
    assert {answer["stages"]["writer"]["status"] for answer in known} == {"degraded"}
    assert known[-1]["stages"]["writer"]["consecutive_failures"] == 3
    assert known[-1]["stages"]["writer"]["since"] == before["stages"]["writer"]["since"]
    kept = await operator.stream.get_last_msg(topology.HEALTH.name, subjects.health_changed("writer"))
    change = codec.decode(kept.data or b"")
    assert (change.component, change.before, change.after) == ("writer", "healthy", "degraded")  # type: ignore[union-attr]
    told = (await two.get("timeline?days=1&limit=100")).json()["changes"]
    assert any(one_["component"] == "writer" and one_["after"] == "degraded" for one_ in told)


async def test_heartbeats_come_back_after_a_restart_of_nats(service: Any, nats: Nats) -> None:
    """Their stream is in memory: a server that is alone forgets it."""
    one = await service(instance="first")
    await healthy(one)
    child: Child = nats.child  # type: ignore[attr-defined]
    assert child.process
    os.kill(child.process.pid, signal.SIGKILL)

    await eventually(lambda: _true(child.restarts > 0))

    async def found() -> None:
        answer = (await one.get()).json()
        assert (answer["bus"]["status"], answer["issues"]) == ("reachable", []), answer["issues"]
        await one.bus.stream.stream_info(topology.HEARTBEATS.name)

    async def made() -> None:
        try:
            await found()
        except (NatsError, APIError) as error:
            raise AssertionError(error) from error

    await eventually(made)
    two = await service(instance="second")
    assert (await two.get()).json()["bus"]["status"] == "reachable"


async def test_strange_messages_end_nothing_and_nobody_speaks_for_another(
    service: Any, nats: Nats, operator: Bus
) -> None:
    await operator.stream.publish(subjects.health_changed("writer"), b'{"type":"HealthChanged","version":2}')
    await operator.stream.publish(subjects.health_changed("writer"), b"[" * 100_000)
    one = await service()
    await healthy(one)
    async with connect(nats.url("watcher"), "a watcher that lies") as watcher:
        forged = Heartbeat(Stage.WRITER, "forged", "b", 1, one.clock.now(), Phase.RUNNING, 5.0, 9.0, 1, "0")
        huge = msgspec.structs.replace(forged, stage=Stage.WATCHER, vitals=WatcherVitals(backlog_bytes=10**300))
        for payload in (codec.encode(forged), codec.encode(huge), b"[" * 100_000, b"\xff", b"{}"):
            await watcher.client.publish(subjects.heartbeat(Stage.WATCHER, "forged"), payload)
        await watcher.client.flush()
    answer = await one.passed(0)
    assert "forged" not in json.dumps(answer)
    again = await service(instance="again")  # reads the same messages from the stream
    assert (await again.passed(0))["status"] == "healthy"


# --- wiring -------------------------------------------------------------------------------------------------------


async def test_wiring_faults_are_named_and_mended(service: Any, nats: Nats, operator: Bus) -> None:
    one = await service()
    await healthy(one)

    async def writer(status: str, word: str) -> None:
        found = (await one.get()).json()["stages"]["writer"]
        assert found["status"] == status, found
        assert word in found["cause"], found

    pause = "$JS.API.CONSUMER.PAUSE.TRANSCRIPTS.writer"
    await operator.client.request(pause, b'{"pause_until":"2099-01-01T00:00:00Z"}')
    await eventually(lambda: writer("unhealthy", "is paused"))
    await operator.client.request(pause, b"{}")
    await eventually(lambda: writer("healthy", ""))
    await operator.stream.delete_consumer("TRANSCRIPTS", "writer")
    await eventually(lambda: writer("unhealthy", "is missing"))
    await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
    await one.beat()
    await eventually(lambda: writer("degraded", "was recreated"))
    await one.passed(61, beating=STAGES)
    await eventually(lambda: writer("healthy", ""))
    await operator.stream.delete_stream(topology.EMBEDDINGS.name)
    await eventually(lambda: writer("unhealthy", "stream EMBEDDINGS is missing"))


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
    assert beat.consecutive_failures == 0  # no failure of the work: rule 3 names the cause
    await provision.main(provision.Settings(nats_url=nats.url("operator")), asyncio.Event())
    golden = (Path(codec.__file__).parent / "golden" / "RecordsEmbedded.v1.json").read_bytes()
    await operator.publish(Message(subjects.embedded("claude-code", "t"), golden, "one"))
    await eventually(lambda: _true(done == [1]))
    stop.set()
    await task


async def _true(value: bool) -> None:
    assert value


# --- dead letters -------------------------------------------------------------------------------------------------


async def test_dead_letters_are_shown_counted_and_tried_again(service: Any, nats: Nats, operator: Bus) -> None:
    from runtime.delivery import retry
    from runtime.delivery.custody import Gate
    from runtime.errors import Permanent

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

    await eventually(lambda: tried(2, "no writer runs"))
    await retry.serve(operator, Stage.WRITER, {topology.WRITER_TRANSCRIPTS: do}, beat, Gate())
    await eventually(lambda: tried(2, "still no good"))
    works["fails"] = False
    await eventually(lambda: tried(1, ""))
    gone = f"{one.url}/v1/autosave/deadletters/{numbers['watcher']}"
    assert (await one.client.delete(gone)).status_code == 401
    assert (await one.client.delete(gone, headers=headers)).status_code == 202
    await eventually(lambda: listed(0))
    assert codec.encode(done[0]) == codec.encode(codec.decode(golden))
    assert beat.processed == 1


# --- webhooks -----------------------------------------------------------------------------------------------------


class Receiver:
    """A receiver that behaves as the test tells it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.behaviour: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                key = head.decode().lower().split("idempotency-key: ")[1].split("\r\n")[0]
                body = json.loads(await reader.readexactly(length))
                how = self.behaviour.pop(0) if self.behaviour else "takes"
                self.got.append((how, {**body, "_key": key}))
                if how == "hangs":
                    await asyncio.sleep(3600)
                if how == "trickles":
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                    while True:
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.02)
                if how == "cuts":
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
                    break
                writer.write(ANSWERS[how])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _answer(status: str, body: str = "", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{head}\r\n{body}".encode()


ANSWERS = {
    "takes": _answer("204 No Content"),
    "fails": _answer("500 Oops"),
    "limits": _answer("429 Slow down", "", "retry-after: 0.01\r\n"),
    "lies": _answer("200 OK", '{"ok":false,"error":"no_such_channel"}'),
    "latin": _answer("200 OK").replace(b"0\r\n\r\n", b"12\r\n\r\n") + b'{"a":"caf\xe9"}'[:12],
    "nests": _answer("200 OK", "[" * 60_000),
    "misleads": _answer("302 Found", "", "location: mailto:a@b\r\n"),
    "redirects": _answer("302 Found", "", "location: http://127.0.0.1:9/elsewhere\r\n"),
}


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens; nothing of it is left behind."""
    made = Receiver()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.add(asyncio.create_task(made.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def test_webhooks_outlast_a_receiver_that_fails_hangs_and_lies(
    service: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.health.notify.webhooks.TIMEOUT", 0.3)
    monkeypatch.setattr("services.health.notify.webhooks.BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr("services.health.notify.webhooks.TRIES", 20)
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
    monkeypatch.setattr("services.health.http.routes.archive.CHARACTERS", 10_000)
    one = await service()
    await healthy(one)
    whole = (await one.get("conversation/q?limit=1000")).json()
    assert whole["truncated"]
    assert len(whole["answer"]) == 5000
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
    assert [(letter["text"], letter["error"][:14]) for letter in strange] == [("no letter at all", "not understood")]
    await operator.stream.purge_stream(topology.DEADLETTERS.name, seq=3)  # the two oldest
    for sequence in range(10, 207):
        await operator.stream.delete_msg(topology.DEADLETTERS.name, sequence)
    await eventually(lambda: listed(7, 3, 9))
