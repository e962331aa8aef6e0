"""Documents that are saved again and again: every save can be had back, and what is sent is what is new."""

# long file: one task, saved in many ways

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.contracts import codec
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Base, Record, TranscriptChanged
from mnemostream.runtime.disk.generations import MOST_BASES, Span, bases_of, chained, spans
from mnemostream.services.watcher.files.reading import read_next
from mnemostream.services.watcher.files.tracked import Files, TrackedFile
from mnemostream.services.watcher.parsing.saves import BLOCK, Blocks

Say = dict[str, Any]


def said(number: int, text: str) -> Say:
    """One message of a Cline task."""
    kind = "task" if not number else ("user_feedback" if number % 7 == 0 else "text")
    return {"ts": 1_783_000_000_000 + number, "type": "say", "say": kind, "text": text}


class Task:
    """A task that is saved as a whole, and what a watcher sends of it."""

    def __init__(self, folder: Path, segment: int = 4 << 20) -> None:
        self.file = folder / "1783000000000" / "ui_messages.json"
        self.file.parent.mkdir()
        self.known = TrackedFile(Root(str(folder), "cline"), "1783000000000/ui_messages.json", "cline")
        self.files = Files("h", segment)
        self.saves: list[bytes] = []
        self.events: list[TranscriptChanged] = []

    def save(self, messages: list[Say]) -> None:
        """As the extension does: a new file in the place of the old one, seen by the watcher."""
        data = json.dumps(messages, indent=1).encode()
        new = self.file.with_suffix(".tmp")
        new.write_bytes(data)
        os.utime(new, ns=(0, len(self.saves) * 10**9))
        os.replace(new, self.file)
        self.saves.append(data)
        self.look()

    def tear(self, messages: list[Say], part: int) -> None:
        """As one that writes in place, caught after so many percent: it has not rested."""
        data = json.dumps(messages, indent=1).encode()
        self.file.write_bytes(data[: len(data) * part // 100])
        os.utime(self.file, ns=(0, len(self.saves) * 10**9 + part))
        self.look(rested=False)

    def look(self, *, rested: bool = True) -> None:
        """Everything that is new, as events."""
        while True:
            piece = read_next(self.known, self.files, 1e10, rested=rested)
            events = [codec.decode(message.payload) for message in piece.messages]
            self.events += [event for event in events if isinstance(event, TranscriptChanged)]
            if not piece.more or not piece.messages:
                return

    def close(self) -> None:
        """Lets the file go."""
        self.known.release()

    def states(self) -> list[bytes]:
        """Each generation, put together from what was sent."""
        segments = [event for event in self.events if event.end > event.start]
        return [_state(segments, number) for number in sorted({event.generation for event in segments})]

    def records(self) -> dict[tuple[str, int, int], tuple[int, str]]:
        """Those of the newest generation as a writer keeps them: of its lineage, the latest revision of each."""
        last = self.events[-1]
        home = last.generation if last.lineage is None else last.lineage
        found: dict[tuple[str, int, int], Record] = {}
        for event in self.events:
            if (event.generation if event.lineage is None else event.lineage) != home:
                continue
            for record in event.records:
                key = (record.id, record.block, record.part)
                if key not in found or record.revision > found[key].revision:
                    found[key] = record
        return {key: (record.offset, record.text) for key, record in found.items()}


def _state(segments: list[TranscriptChanged], generation: int) -> bytes:
    """The bytes of one generation; fails on a gap or a wrong checksum."""
    end = max(segment.end for segment in segments if segment.generation == generation)
    data = b""
    for segment, stop in chained(segments, generation, end):
        assert segment.start <= len(data)
        content = zstandard.decompress(segment.data)
        data += content[len(data) - segment.start : stop - segment.start]
        if segment.generation == generation:
            assert hashlib.sha256(data).hexdigest() == segment.sha256
    assert len(data) == end
    base = bases_of(segments).get(generation)
    if base:
        assert hashlib.sha256(data[: base.bytes]).hexdigest() == base.sha256
    return data


def test_a_task_of_368_saves_costs_its_own_size_not_that_of_all_its_saves(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    messages: list[Say] = []
    for number in range(368):
        messages.append(said(number, f"message {number} " + hashlib.sha256(b"%d" % number).hexdigest() * 16))
        task.save(messages)
    assert task.states() == task.saves
    sent = sum(event.end - event.start for event in task.events)
    assert sum(map(len, task.saves)) > 70e6
    assert sent < 4 * len(task.saves[-1])  # six of its generations are whole, and smaller
    assert [n for n in range(368) if n not in bases_of(task.events)] == [0, 64, 128, 192, 256, 320]
    assert sum(len(event.records) for event in task.events) == 368 + sum(range(64, 368, 64))
    assert len(task.records()) == 368


def test_a_message_that_is_written_on_is_a_later_revision_of_it(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    first = said(0, "why? " * 300)
    task.save([first, said(1, "half an")])
    task.save([first, said(1, "half an answer")])
    assert [(r.text, r.revision) for r in task.events[-1].records] == [("half an answer", 1)]
    assert task.events[-1].lineage == 0
    assert task.events[-1].version == 2


def test_a_message_that_is_gone_begins_a_new_lineage_with_all_the_others(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    first = said(0, "why? " * 300)
    task.save([first, said(1, "a"), said(2, "b")])
    task.save([first, said(1, "a")])
    event = task.events[-1]
    assert event.lineage is None
    assert event.base
    assert [record.text for record in event.records] == [first["text"].strip(), "a"]
    assert task.states() == task.saves


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "change", "cut", "same", "insert", "empty", "torn", "torn twice", "put away"]),
            st.integers(0, 400),
        ),
        max_size=14,
    ),
    st.sampled_from([700, 5000, 4 << 20]),
)
def test_whatever_is_saved_can_be_had_back_and_its_records_are_those_of_a_single_look(
    steps: list[tuple[str, int]], segment: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        task = Task(Path(folder), segment)
        messages = [said(0, "begin " * 40)]
        task.save(messages)
        for number, (step, size) in enumerate(steps, start=1):
            at = size % len(messages) if messages else 0
            if step == "add":
                messages.append(said(number, f"{number} " * size or "x"))
            elif step == "change" and messages:
                messages[at] = {**messages[at], "text": f"changed {number} " * (size % 50 + 1)}
            elif step == "cut":
                messages = messages[:at] or [said(0, "again")]
            elif step == "insert":
                messages.insert(at, said(1000 + number, "between"))
            elif step == "empty":
                messages = [said(0, "all anew")]
            elif step == "put away":
                task.known.put_away()
            elif step.startswith("torn"):
                task.tear([*messages, said(2000 + number, "never " * size)], size % 100)
                if step == "torn twice":
                    task.tear([*messages[:at], said(3000 + number, "nor this " * 90)], (size * 7) % 100)
            task.save(messages)
            assert task.states()[-1] == task.saves[-1]
        distinct = [save for n, save in enumerate(task.saves) if n == 0 or save != task.saves[n - 1]]
        kept = task.states()
        assert [save for save in _without_growth(distinct) if save not in kept] == []
        task.close()
        once = Task(Path(other), segment)
        once.save(messages)
        once.close()
        assert task.records() == once.records()


def _without_growth(states: list[bytes]) -> list[bytes]:
    """Saves that only append to the one before are no generation of their own."""
    return [s for n, s in enumerate(states) if n + 1 == len(states) or not states[n + 1].startswith(s)]


@given(st.binary(max_size=5000), st.binary(max_size=5000), st.integers(0, 5000), st.lists(st.integers(1, 900)))
def test_blocks_tell_how_much_two_texts_have_in_common(a: bytes, b: bytes, common: int, cuts: list[int]) -> None:
    new = a[:common] + b
    blocks, at = Blocks(), 0
    for cut in [*cuts, len(a)]:
        blocks.feed(a[at : at + cut])
        at += cut
    shared = blocks.shared(0, new)
    assert new[:shared] == a[:shared]
    assert shared % BLOCK == 0
    alike = next((n for n, (x, y) in enumerate(zip(a, new, strict=False)) if x != y), min(len(a), len(new)))
    assert shared == alike - alike % BLOCK


def test_a_base_of_a_base_that_ends_later_is_cut_where_the_later_one_begins() -> None:
    bases = {1: Base(0, 100, ""), 2: Base(1, 60, ""), 3: Base(2, 80, "")}
    assert spans(bases, 3, 90) == [Span(0, 0, 60), Span(2, 60, 80), Span(3, 80, 90)]
    assert MOST_BASES == 63


def test_a_save_follows_only_on_what_was_sent(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    messages = [said(number, f"text {number} " * 60) for number in range(20)]
    task.save(messages)
    task.tear([*messages, said(21, "b" * 500)], 60)
    task.tear([*messages, said(21, "b" * 500)], 30)
    task.save([*messages, said(22, "c" * 500)])
    bases = bases_of(task.events)
    assert {base.generation for base in bases.values()} <= {event.generation for event in task.events}
    assert task.states() == task.saves


def test_a_save_after_a_look_at_an_old_one_is_whole(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """How long its chain of bases is, nobody knows any more."""
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    messages = [said(number, f"text {number} " * 60) for number in range(5)]
    for number in range(5):
        task.save(messages[: number + 1])
    task.known.put_away()
    os.utime(task.file, ns=(0, 77 * 10**9))
    task.look()
    task.save([*messages, said(9, "more")])
    assert sorted(bases_of(task.events)) == [2, 3, 4]  # the first one is less than a block
    assert task.states() == task.saves


def test_after_refused_records_the_next_save_brings_all_of_them(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    task = Task(tmp_path)
    request.addfinalizer(task.close)
    messages = [said(number, f"text {number} " * 60) for number in range(4)]
    task.save(messages[:3])
    task.files.refused.add(task.known.transcript)
    task.save(messages)
    assert (task.events[-1].base, len(task.events[-1].records)) == (None, 4)
    assert task.files.refused == set()
