"""The pure parts of backups: the proof of a log, and when the next one is due."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.archive.backup.book import Damaged
from mnemostream.archive.backup.proof import _Chain
from mnemostream.archive.copies import Segment
from mnemostream.local.backup import schedule
from mnemostream.local.backup.schedule import Schedule
from mnemostream.runtime.errors import Misconfigured


def segments(content: bytes, cuts: list[int]) -> list[Segment]:
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [
        Segment(0, start, end, zstandard.compress(content[start:end]), hashlib.sha256(content[:end]).digest())
        for start, end in itertools.pairwise(edges)
    ]


@given(st.binary(min_size=1, max_size=400), st.lists(st.integers(0, 500), max_size=6), st.data())
def test_a_whole_chain_is_right_and_one_with_a_gap_or_another_byte_is_not(
    content: bytes, cuts: list[int], data: st.DataObject
) -> None:
    whole = segments(content, cuts)
    again = data.draw(st.lists(st.sampled_from(whole), max_size=3))
    order = sorted([*whole, *again], key=lambda segment: segment.end)
    chain = _Chain()
    assert [wrong for segment in order if (wrong := chain.take(segment))] == []
    assert chain.end == len(content)

    lost = data.draw(st.integers(0, len(whole) - 1))
    chain = _Chain()
    wrong = [why for segment in whole[:lost] + whole[lost + 1 :] if (why := chain.take(segment))]
    assert wrong or lost == len(whole) - 1  # what the end lacks nobody can know from the log

    other = bytearray(content)
    other[data.draw(st.integers(0, len(content) - 1))] ^= 1
    chain = _Chain()
    damaged = [
        Segment(0, one.start, one.end, zstandard.compress(bytes(other[one.start : one.end])), one.sha256)
        for one in whole
    ]
    assert any(chain.take(segment) for segment in damaged)


def test_the_next_one_is_due_when_the_newest_is_old_and_the_oldest_go(tmp_path: Path) -> None:
    """What others keep in the folder neither counts nor is removed."""
    plan = Schedule(tmp_path / "b", hours=2.0, keep=3, host="here")
    assert plan.due(0.0)
    (tmp_path / "b").mkdir()
    foreign = [f"mnemostream-there-2026-01-09T000000Z{schedule.SUFFIX}", f"zz{schedule.SUFFIX}", "notes.txt"]
    for name in foreign:
        (tmp_path / "b" / name).touch()
        os.utime(tmp_path / "b" / name, (1e9, 1e9))
    assert plan.due(0.0)
    for number in range(5):
        file = tmp_path / "b" / f"mnemostream-here-2026-01-0{number + 1}T000000Z{schedule.SUFFIX}"
        file.touch()
        os.utime(file, (number, number))
    assert not plan.due(4.0 + 7200)
    assert plan.due(4.1 + 7200)
    left = tmp_path / "b" / f".mnemostream-here-2026-01-09T000000Z{schedule.SUFFIX}.partial"
    left.touch()
    plan.tidy()
    with pytest.raises(Damaged):  # these are none: no piece is removed, and the old files are
        plan.prune(0.0)
    assert [file.name[17:27] for file in plan.kept()] == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert [name for name in foreign if not (tmp_path / "b" / name).exists()] == []
    assert not left.exists()


def test_settings_of_the_schedule_are_checked() -> None:
    assert schedule.of({}) is None
    assert schedule.of({"MNEMO_LOCAL_BACKUP_FOLDER": "/b"}) == Schedule(Path("/b"), 24.0, 7)
    for wrong in ({"MNEMO_LOCAL_BACKUP_HOURS": "soon"}, {"MNEMO_LOCAL_BACKUP_KEEP": "0"}):
        with pytest.raises(Misconfigured, match="MNEMO_LOCAL_BACKUP"):
            schedule.of({"MNEMO_LOCAL_BACKUP_FOLDER": "/b", **wrong})
