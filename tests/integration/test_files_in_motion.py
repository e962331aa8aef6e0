"""What is done to files while they are watched, and what stands in them: the bytes are kept, the words are read."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.capture import Capture
from tests.conftest import answer, jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.capturing import Later, close, watcher
from tests.integration.test_unseen import archived

LINES = jsonl(prompt("first", "p1"), answer("said", name="a1"), prompt("last", "p2"))
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * (9 << 20)}}
SHAPES: dict[str, tuple[bytes, list[str]]] = {
    "a byte order mark": (b"\xef\xbb\xbf" + LINES, ["first", "last"]),
    "CRLF": (LINES.replace(b"\n", b"\r\n"), ["first", "last"]),
    "UTF-16": (LINES.decode().encode("utf-16"), []),
    "UTF-16 in between": (LINES + LINES.decode().encode("utf-16") + b"\n" + LINES, ["first", "last"]),
    "a lone surrogate": (LINES.replace(b"first", b"fir\\ud800st"), ["fir\ufffdst", "last"]),
    "a run of NUL": (LINES.replace(b"\n", b"\n" + b"\0" * 5000, 1), ["first", "last"]),
    "a picture of 9 MB": (
        jsonl(prompt([{"type": "text", "text": "first"}, PICTURE], "p1")) + LINES,
        ["first", "last"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_whatever_stands_in_a_file_its_bytes_are_kept_and_its_words_are_read(tmp_path: Path, shape: str) -> None:
    data, words = SHAPES[shape]
    (tmp_path / "s.jsonl").write_bytes(data)
    log = MemoryLog()
    capture = watcher(tmp_path, log)
    await capture.sweep(asyncio.Event())
    close(capture)
    assert archived(log) == {"s.jsonl": data}
    found = {r.id: r.text for event in log.events() for r in event.records if r.kind is Kind.PROMPT}
    assert list(found.values()) == words


def _rewritten(file: Path) -> bytes:
    data = LINES.replace(b"first", b"other")
    file.write_bytes(data)
    return data


def _rewritten_with_its_times(file: Path) -> bytes:
    times = file.stat()
    data = _rewritten(file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return data


def _replaced_by_rename(file: Path) -> bytes:
    data = LINES.replace(b"last", b"new")
    new = file.with_suffix(".tmp")
    new.write_bytes(data)
    new.rename(file)
    return data


@pytest.mark.parametrize("change", [_rewritten, _rewritten_with_its_times, _replaced_by_rename])
async def test_a_rewritten_file_is_another_generation_and_the_first_one_stays(
    tmp_path: Path, change: Callable[[Path], bytes]
) -> None:
    file = tmp_path / "s.jsonl"
    file.write_bytes(LINES)
    log = MemoryLog()
    capture = watcher(tmp_path, log)
    await capture.sweep(asyncio.Event())
    data = change(file)
    capture.clock = Later()
    await capture.sweep(asyncio.Event())
    close(capture)
    assert {event.generation for event in log.events()} == {0, 1}
    assert sorted(_generations(log)) == sorted([LINES, data])


async def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    data = b"".join(jsonl(prompt(f"words {number}", f"p{number}")) for number in range(500))
    file.write_bytes(data)

    class Deleting(MemoryLog):
        async def publish_all(self, messages):  # type: ignore[no-untyped-def]
            file.unlink(missing_ok=True)
            await super().publish_all(messages)

    log = Deleting()
    capture = watcher(tmp_path, log, segment_bytes=2000)
    await _until_read(capture, log, len(data))
    close(capture)
    assert archived(log) == {"s.jsonl": data}


async def _until_read(capture: Capture, log: MemoryLog, size: int) -> None:
    for _ in range(5):
        await capture.sweep(asyncio.Event())
        if sum(event.end - event.start for event in log.events()) >= size:
            return


def _generations(log: MemoryLog) -> list[bytes]:
    """The bytes of each generation, joined."""
    numbers = {event.generation for event in log.events()}
    return [_bytes(log, number) for number in sorted(numbers)]


def _bytes(log: MemoryLog, generation: int) -> bytes:
    part = MemoryLog()
    part.messages = [
        message for message, event in zip(log.messages, log.events(), strict=True) if event.generation == generation
    ]
    return b"".join(archived(part).values())


def test_the_lines_of_these_tests_are_lines() -> None:
    assert [json.loads(line)["type"] for line in LINES.splitlines()] == ["user", "assistant", "user"]
