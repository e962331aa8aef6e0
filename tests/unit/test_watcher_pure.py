"""Capture without a bus: whatever the cuts, the bytes and the records are the same."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.contracts import codec
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Checkpoint, TranscriptChanged
from mnemostream.runtime.disk.files import Stat
from mnemostream.services.watcher.checkpoints import packed
from mnemostream.services.watcher.files.changes import FileChange, judge
from mnemostream.services.watcher.files.reading import read_next
from mnemostream.services.watcher.files.tracked import Files, TrackedFile
from mnemostream.services.watcher.parsing.segments import checkpoint
from tests.conftest import answer, jsonl, prompt


def known_of(file: Path, last: Checkpoint | None = None) -> TrackedFile:
    """A file as a watcher meets it."""
    kept = (last.transcript, packed(last)) if last else ()
    return TrackedFile(Root(str(file.parent), "claude-code"), file.name, "claude-code", *kept)


def look(known: TrackedFile, file: Path, segment: int, *, rested: bool = True) -> list[TranscriptChanged]:
    """Everything that is new in the file, as events."""
    found: list[TranscriptChanged] = []
    while True:
        piece = read_next(known, Files("h", segment), 1e10, rested=rested)
        for message in piece.messages:
            event = codec.decode(message.payload)
            assert isinstance(event, TranscriptChanged)
            found.append(event)
        if not piece.more or not piece.messages:
            known.release()
            return found


def joined(events: list[TranscriptChanged]) -> bytes:
    """The bytes of the last generation; fails on a gap."""
    last = events[-1].generation if events else 0
    data = b""
    for event in events:
        if event.generation == last:
            assert event.start == len(data)
            data += zstandard.decompress(event.data) if event.data else b""
            assert event.end == len(data)
            assert event.sha256 == hashlib.sha256(data).hexdigest()
    return data


def texts(events: list[TranscriptChanged]) -> dict[tuple[str, int], str]:
    """Text by record and block, parts joined, first occurrence in the file."""
    found: dict[tuple[str, int, int], str] = {}
    for event in events:
        for record in event.records:
            found.setdefault((record.id, record.block, record.part), record.text)
    whole: dict[tuple[str, int], str] = {}
    for (name, block, _), text in sorted(found.items()):
        whole[name, block] = whole.get((name, block), "") + text
    return whole


any_line = st.one_of(
    st.text(max_size=60).map(lambda text: jsonl(prompt(text or "x"))),
    st.text(max_size=300).map(lambda text: jsonl(answer(text, "second"))),
    st.binary(max_size=40).map(lambda junk: junk.replace(b"\n", b"") + b"\n"),
    st.sampled_from([b"\n", b"\r\n", b'{"type":"mode"}\n', b"{}\n", b"\0\0\n"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(any_line, max_size=12), st.binary(max_size=20), st.data())
def test_appends_cut_anywhere_give_the_file_and_the_records_of_one_import(
    parts: list[bytes], torn: bytes, data: st.DataObject
) -> None:
    whole = b"".join(parts) + torn.replace(b"\n", b"")
    segment = data.draw(st.integers(8, 400))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.jsonl"
        live = known_of(file)
        pieces: list[TranscriptChanged] = []
        file.write_bytes(b"")
        for begin, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            with file.open("ab") as handle:
                handle.write(whole[begin:stop])
            os.utime(file, ns=(0, stop + 1))
            pieces += look(live, file, segment, rested=stop == len(whole))
        once = look(known_of(file), file, 1 << 20)
        assert joined(pieces) == whole
        assert joined(once) == whole
        assert texts(pieces) == texts(once)


def test_a_rewritten_file_is_a_new_generation_and_a_new_watcher_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    known = known_of(file)
    file.write_bytes(jsonl(prompt("one"), prompt("two")))
    first = look(known, file, 1000)
    file.write_bytes(jsonl(prompt("other"), prompt("two"), prompt("three")))
    os.utime(file, ns=(0, 5))
    second = look(known, file, 1000)
    assert [event.generation for event in first + second] == [0, 1]
    assert known.cursor is not None
    assert known.origin is not None
    last = checkpoint(known.cursor, known.origin, known.stamp)
    with file.open("ab") as handle:
        handle.write(jsonl(prompt("four")))
    os.utime(file, ns=(0, 6))
    third = look(known_of(file, last), file, 1000)
    assert [(event.generation, event.start) for event in third] == [(1, last.end)]


def test_a_line_longer_than_a_segment_is_shipped_in_fragments_and_its_text_whole(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    text = "".join(f"word{number} " for number in range(200_000))
    file.write_bytes(jsonl(prompt(text, "big")))
    events = look(known_of(file), file, 64 * 1024)
    assert joined(events) == file.read_bytes()
    assert len(events) > 20
    assert texts(events)["big", 0] == text.strip()
    assert max(len(codec.encode(event)) for event in events) < 4 << 20
    assert [event.part for event in events if event.start == event.end] == [1, 2]


@pytest.mark.parametrize(
    ("captured", "last", "seen", "verdict"),
    [
        (5, Stat(5, 1), Stat(5, 1), FileChange.SAME),
        (5, Stat(5, 1), Stat(6, 2), FileChange.GROWN),
        (5, Stat(5, 1), Stat(5, 2), FileChange.TOUCHED),
        (5, Stat(5, 1), Stat(4, 1), FileChange.SHRUNK),
        (0, None, Stat(0, 1), FileChange.SAME),
        (5, None, Stat(9, 1), FileChange.GROWN),
    ],
)
def test_what_happened_to_a_file(captured: int, last: Stat | None, seen: Stat, verdict: FileChange) -> None:
    assert judge(captured, last, seen) is verdict


def test_the_id_of_a_segment_tells_other_bytes_from_the_same_start() -> None:
    event = json.loads((Path(__file__).parents[2] / "contracts/golden/TranscriptChanged.v1.json").read_text())
    one = codec.decode(json.dumps(event).encode())
    two = codec.decode(json.dumps({**event, "end": 4}).encode())
    assert isinstance(one, TranscriptChanged)
    assert isinstance(two, TranscriptChanged)
    assert codec.segment_message_id(one) != codec.segment_message_id(two)
