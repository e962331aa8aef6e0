"""No file unseen: compressed transcripts, files beside a session, several shapes of links; and what is left is told."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
import zstandard

from mnemostream.contracts.sources import ATTACHMENT, Root, attached, session_of
from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.notification import Change, _files, _transcripts
from tests.conftest import answer, jsonl, prompt
from tests.doubles import MemoryLog
from tests.integration.capturing import close, watcher

SESSION = "0f9d2b1c-1111-4222-8333-444455556666"
ROLLOUT = jsonl(
    {"timestamp": "2026-08-01T10:00:00.000Z", "type": "session_meta", "payload": {"id": SESSION, "cwd": "/x"}},
    {"timestamp": "2026-08-01T10:00:01.000Z", "type": "event_msg", "payload": {"type": "user_message", "message": "q"}},
    {
        "timestamp": "2026-08-01T10:00:02.000Z",
        "type": "event_msg",
        "payload": {"type": "agent_message", "message": "a"},
    },
)


async def swept(root: Path, log: MemoryLog, **more: object) -> Capture:
    capture = watcher(root, log, **more)
    capture.roots[0] = Root(str(root))
    capture.registry.roots = capture.roots
    capture.registry._by_root = {capture.roots[0]: {}}
    await capture.sweep(asyncio.Event())
    return capture


def archived(log: MemoryLog) -> dict[str, bytes]:
    """The bytes of each file, by its path."""
    found: dict[str, bytes] = {}
    for event in log.events():
        if event.end > event.start:
            size = event.end - event.start
            found[event.path] = found.get(event.path, b"") + zstandard.decompress(event.data, max_output_size=size)
    return found


async def test_a_compressed_transcript_is_the_same_transcript(tmp_path: Path) -> None:
    plain, packed = tmp_path / "rollout-a.jsonl", tmp_path / "rollout-b.jsonl.zst"
    plain.write_bytes(ROLLOUT)
    packed.write_bytes(zstandard.compress(ROLLOUT[:400]) + zstandard.compress(ROLLOUT[400:]))  # two frames
    log = MemoryLog()
    close(await swept(tmp_path, log, segment_bytes=100))
    assert archived(log) == {"rollout-a.jsonl": ROLLOUT, "rollout-b.jsonl.zst": packed.read_bytes()}
    read: dict[str, list[object]] = {name: [] for name in archived(log)}
    for event in log.events():
        read[event.path] += [(r.kind, r.text, r.exchange_id, r.offset) for r in event.records]
    assert read["rollout-a.jsonl"] == read["rollout-b.jsonl.zst"] != []
    assert {(event.session_id, event.source) for event in log.events()} == {(SESSION, "codex")}


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-9], lambda data: data[:40] + b"\0" * 9 + data[49:], lambda _: b"x"]
)
async def test_a_damaged_compressed_transcript_is_kept_and_counted(tmp_path: Path, harm: object) -> None:
    data = harm(zstandard.compress(ROLLOUT * 50))  # type: ignore[operator]
    (tmp_path / "rollout-b.jsonl.zst").write_bytes(data)
    log = MemoryLog()
    capture = await swept(tmp_path, log)
    close(capture)
    assert archived(log) == {"rollout-b.jsonl.zst": data}
    assert sum(event.counts.get("damaged:compression", 0) for event in log.events()) == 1
    assert capture.beat.vitals.unreadable_files == 0


async def test_files_beside_a_session_are_archived_with_it_and_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "-p" / SESSION
    (folder / "tool-results").mkdir(parents=True)
    (folder / "subagents").mkdir()
    (tmp_path / "-p" / f"{SESSION}.jsonl").write_bytes(jsonl(prompt("q", "p1"), answer("a")))
    inside = {
        "tool-results/t1.txt": b"row\n" * 5000,
        "tool-results/t2.json": b'{"messages": []}',
        "tool-results/t3.jsonl": jsonl(prompt("no prompt of this session", "x1")),
        "tool-results/t4.pdf": bytes(range(256)),
        "subagents/agent-1.meta.json": b'{"agentType": "x"}',
    }
    for name, data in inside.items():
        (folder / name).write_bytes(data)
    (folder / "subagents" / "agent-1.jsonl").write_bytes(jsonl(prompt("do", "s1", isSidechain=True)))
    log = MemoryLog()
    close(await swept(tmp_path, log, segment_bytes=3000))
    found = archived(log)
    assert {name: found[f"-p/{SESSION}/{name}"] for name in inside} == inside
    beside = [event for event in log.events() if event.source == ATTACHMENT]
    assert {event.session_id for event in beside} == {SESSION}
    assert not any(event.records for event in beside)
    records = [record for event in log.events() for record in event.records]
    assert [r.text for r in records if r.kind in (Kind.PROMPT, Kind.SUBAGENT_PROMPT)] in (["q", "do"], ["do", "q"])


async def test_an_excluded_project_takes_its_files_with_it_and_a_large_one_is_named(tmp_path: Path) -> None:
    for name, cwd in (("-p", "/home/dana/secret"), ("-q", "/home/dana/open")):
        folder = tmp_path / name / SESSION / "tool-results"
        folder.mkdir(parents=True)
        (tmp_path / name / f"{SESSION}.jsonl").write_bytes(jsonl({**prompt("q", "p1"), "cwd": cwd}))
        (folder / "t1.txt").write_bytes(b"output")
        (folder / "t2.txt").write_bytes(b"o" * 2000)
    log = MemoryLog()
    capture = await swept(tmp_path, log, exclude=("/home/dana/secret",), attachment_bytes=1000)
    close(capture)
    assert set(archived(log)) == {f"-q/{SESSION}.jsonl", f"-q/{SESSION}/tool-results/t1.txt"}
    assert capture.beat.vitals.uncaptured == {"excluded by settings": 2, "too large": 2}


async def test_what_is_there_and_not_captured_is_counted_by_reason(tmp_path: Path) -> None:
    away = tmp_path / "away"
    root = tmp_path / "root"
    (away / "inner").mkdir(parents=True)
    root.mkdir()
    (away / "s.jsonl").write_bytes(jsonl(prompt("q")))
    (root / "s.jsonl").write_bytes(jsonl(prompt("q")))
    (root / "README.txt").write_text("x")
    (root / "other.json").write_text('{"no": "transcript"}')
    (root / "linked").symlink_to(away)
    (root / "file.jsonl").symlink_to(away / "s.jsonl")
    (root / "twice.jsonl").symlink_to(root / "s.jsonl")  # captured at its own place
    (root / "broken.jsonl").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe.jsonl")
    log = MemoryLog()
    capture = await swept(root, log)
    close(capture)
    vitals = capture.beat.vitals
    assert set(archived(log)) == {"s.jsonl"}
    assert vitals.uncaptured == {
        "link not followed": 2,
        "unknown ending": 1,
        "no transcript of a known assistant": 1,
        "not a regular file": 1,
    }
    assert vitals.there_files == 1 + sum(vitals.uncaptured.values())
    assert "linked" in vitals.uncaptured_names
    assert "README.txt" in vitals.uncaptured_names


async def test_a_folder_that_is_linked_while_running_is_judged_by_the_same_rule(tmp_path: Path) -> None:
    away, root = tmp_path / "away", tmp_path / "root"
    away.mkdir()
    root.mkdir()
    (away / "s.jsonl").write_bytes(jsonl(prompt("q")))
    log = MemoryLog()
    capture = await swept(root, log)
    (root / "linked").symlink_to(away)
    assert not _transcripts(Change.added, str(root / "linked"))
    assert list(_files(str(root / "linked"))) == [str(root / "linked")]
    capture.hints.add([str(root / "linked" / "s.jsonl"), str(root / "linked")])
    await capture.drain_hot(asyncio.Event())
    await capture.sweep(asyncio.Event())
    close(capture)
    assert archived(log) == {}
    assert capture.beat.vitals.uncaptured == {"link not followed": 1}


async def test_a_file_that_becomes_a_link_is_gone(tmp_path: Path) -> None:
    away, root = tmp_path / "away.jsonl", tmp_path / "root"
    root.mkdir()
    away.write_bytes(jsonl(prompt("not mine")))
    file = root / "s.jsonl"
    file.write_bytes(jsonl(prompt("q")))
    log = MemoryLog()
    capture = await swept(root, log)
    before = archived(log)
    file.unlink()
    file.symlink_to(away)
    capture.hints.add([str(file)])
    await capture.drain_hot(asyncio.Event())
    await capture.sweep(asyncio.Event())
    close(capture)
    assert archived(log) == before


async def test_an_export_with_a_line_before_its_json_is_read(tmp_path: Path) -> None:
    message = {"info": {"role": "user", "id": "m1"}, "parts": [{"type": "text", "text": "q"}]}
    export = json.dumps({"info": {"id": "ses_1"}, "messages": [message]}, indent=1).encode()
    (tmp_path / "a.json").write_bytes(b"Exporting session: ses_1\n" + export)
    log = MemoryLog()
    close(await swept(tmp_path, log))
    (event,) = [event for event in log.events() if event.records]
    assert (event.source, [record.text for record in event.records]) == ("opencode", ["q"])


def test_what_lies_beside_a_session_is_told_by_its_path() -> None:
    assert attached(f"{SESSION}/plan.md")
    assert attached(f"p/tool-outputs/session-{SESSION}/x")
    assert not attached(f"{SESSION}/events.jsonl")
    assert not attached("p/notes.txt")
    assert session_of(f"p/tool-outputs/session-{SESSION}/x") == SESSION
    assert session_of("p/abc/tool-results/x") == "abc"
