"""Floods on the API: half-open requests, slow bodies, readers that do not read, pages of other sites."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mnemostream.local import logs
from mnemostream.runtime.logs import FOLD_AFTER, Folded
from mnemostream.services.health.http import connections
from mnemostream.services.health.http.routes.dashboard import STREAMS
from tests.conftest import eventually
from tests.integration.health_service import OWNER, healthy

PAGE = Path(connections.__file__).parent.parent / "static/search/progress.js"
HALF = b"GET /v1/autosave/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
EVENTS = b"GET /v1/autosave/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b"POST /v1/autosave/deadletters/1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"


@contextlib.asynccontextmanager
async def flood(port: int, count: int, sent: bytes) -> AsyncIterator[list[tuple[asyncio.StreamReader, Any]]]:
    """Connections that have sent this much and no more."""
    opened = []
    try:
        for _ in range(count):
            with contextlib.suppress(ConnectionError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
                writer.write(sent)
                opened.append((reader, writer))
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def closed(reader: asyncio.StreamReader) -> bool:
    """True if the service has ended the connection."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.01):
            while await reader.read(65536):
                pass
        return True
    return reader.at_eof() or reader.exception() is not None


def port_of(one: Any) -> int:
    return int(one.url.rsplit(":", 1)[1])


@pytest.mark.parametrize("sent", [b"", HALF, BODY], ids=["nothing", "half a head", "half a body"])
async def test_half_open_requests_keep_nobody_out_and_are_ended(
    service: Any, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2.0)
    one = await service()
    await healthy(one)
    async with flood(port_of(one), 600, sent) as opened:
        answer = await one.get("health")
        assert answer.status_code == 200

        async def ended() -> None:
            for _, writer in opened:  # one byte after the other prolongs nothing
                with contextlib.suppress(ConnectionError):
                    writer.write(b"x")
            open_ = [reader for reader, _ in opened if not await closed(reader)]
            assert len(open_) == 0, len(open_)

        await eventually(ended, 30)
    assert (await one.get("health")).status_code == 200


async def test_readers_that_do_not_read_lose_their_slots(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.5)
    one = await service(evaluate_seconds=0.01)
    await healthy(one)

    async def served() -> None:
        async with one.client.stream("GET", f"{one.url}/v1/autosave/events", headers=OWNER) as answer:
            assert answer.status_code == 200, answer.status_code

    async with flood(port_of(one), STREAMS, EVENTS) as opened:
        for _, writer in opened:
            writer.transport.pause_reading()
        await eventually(served, 60)


CROSS = [
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "http://evil.test"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"origin": "http://evil.test"},
    {"origin": "null"},
]


async def test_pages_of_other_sites_get_nothing_done_and_who_follows_a_link_is_answered(service: Any) -> None:
    one = await service()
    await healthy(one)
    for headers in CROSS:
        for path in ("v1/autosave/health", "v1/autosave/events", "metrics", "autosave", "livez"):
            refused = await one.client.get(f"{one.url}/{path}", headers={**OWNER, **headers})
            assert refused.status_code == 403, (path, headers)
        posted = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry", headers={**OWNER, **headers})
        assert posted.status_code == 403, headers
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await one.client.get(f"{one.url}/autosave", headers=link)).status_code == 200
    posted = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry", headers={**OWNER, **link})
    assert posted.status_code == 403
    own = {"sec-fetch-site": "same-origin", "origin": one.url}
    assert (await one.get("health", headers=own)).status_code == 200


def test_the_same_warning_is_written_now_and_then_with_how_often_it_came() -> None:
    folded = Folded()

    def comes(at: float, level: int = logging.ERROR) -> logging.LogRecord | None:
        record = logging.LogRecord("asyncio", level, "x.py", 1, "socket.accept() out of system resource", (), None)
        record.created = at
        return record if folded.filter(record) else None

    written = [record for number in range(100_000) if (record := comes(number / 1000))]
    assert len(written) == FOLD_AFTER + 3
    assert sum(vars(record)["facts"]["repeated"] for record in written[FOLD_AFTER:]) > 80_000
    assert all(comes(0.0, logging.INFO) for _ in range(100))


def test_a_log_is_cut_while_it_is_written_to(tmp_path: Path) -> None:
    file = tmp_path / "health.log"
    with file.open("ab") as writer:
        for number in range(5000):
            writer.write(b"%06d\n" % number)
            writer.flush()
            logs.cut(tmp_path, most=1000)
        writer.write(b"last\n")
    assert file.stat().st_size < 1100
    kept = file.with_suffix(".log.1").read_bytes().splitlines() + file.read_bytes().splitlines()
    assert kept[-1] == b"last"
    numbers = list(map(int, kept[:-1]))
    assert numbers == list(range(numbers[0], 5000))


async def test_a_connection_outlives_the_pauses_of_the_page(service: Any) -> None:
    """A request that leaves just when its connection is closed for being idle fails."""
    pause = re.search(r"EVERY_MS = (\d+)", PAGE.read_text())
    assert pause is not None
    assert 2 * int(pause[1]) / 1000 < connections.KEPT_SECONDS
    one = await service()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(one))
    for seconds in (0.0, int(pause[1]) / 1000 + 0.5):
        await asyncio.sleep(seconds)  # as the page does
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert b"HTTP/1.1 200" in head
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
    writer.close()


async def test_answers_on_a_kept_connection_do_not_wait_for_acknowledgements(service: Any) -> None:
    """The head and the body are two packets: with Nagle's algorithm the second waits 40 ms for the client (RFC 1122,
    4.2.3.2), each time."""
    one = await service()
    await healthy(one)
    loop, waits = asyncio.get_running_loop(), []
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(one))
    for _ in range(20):
        began = loop.time()
        writer.write(b"GET /v1/autosave/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")
        ]
        await reader.readexactly(length)
        waits.append(loop.time() - began)
    writer.close()
    assert min(waits[5:]) < 0.03
