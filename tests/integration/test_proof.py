"""The proof: green when all is there, red and naming the right bytes for each kind of damage in either copy."""

from __future__ import annotations

from pathlib import Path

from mnemostream.archive.copies import Archive
from tests.integration.conftest import Fill
from tests.integration.proving import (
    DAMAGES,
    Victim,
    proof,
    write,
)


async def test_verify_is_green_and_red_with_the_right_bytes_for_each_damage(
    transcripts: Path, fill: Fill, kept: Archive
) -> None:
    names = [damage.__name__ for damage in DAMAGES]
    for name in [*names, "unharmed"]:
        write(transcripts / f"{name}.jsonl", name)
    await fill()
    report = await proof(kept, transcripts)
    assert (report.equal, report.files, report.bytes) == (
        True,
        len(names) + 1,
        sum(file.stat().st_size for file in transcripts.iterdir()),
    )
    rows = {row.path: row.transcript_id for row in await kept.transcripts()}
    wanted = {}
    for damage in DAMAGES:
        file = transcripts / f"{damage.__name__}.jsonl"
        segments = [segment async for segment in kept.segments(rows[file.name])]
        assert len(segments) >= 5
        wanted[str(file)] = await damage(Victim(kept, file, rows[file.name], segments))
    found = await proof(kept, transcripts)
    assert not found.equal
    assert {gap.file for gap in found.gaps} == set(wanted)
    for file, (copy, (start, end)) in wanted.items():
        gaps = [gap for gap in found.gaps if gap.file == file]
        first = [gap for gap in gaps if gap.copy == copy]
        assert first, (file, gaps)
        assert min(gap.start for gap in first) == start, gaps
        assert max(gap.end for gap in first) == end, gaps
        others = {gap.copy for gap in gaps} - {copy}
        assert others <= ({"records"} if copy == "log" else set()), gaps  # a record that the log lost


async def test_files_that_change_or_vanish_are_told_apart(transcripts: Path, fill: Fill, kept: Archive) -> None:
    for name in ("grown", "new", "gone", "cut"):
        write(transcripts / f"{name}.jsonl", name)
    (transcripts / "new.jsonl").rename(transcripts.parent / "new.jsonl")
    await fill()
    (transcripts.parent / "new.jsonl").rename(transcripts / "new.jsonl")
    (transcripts / "gone.jsonl").unlink()
    size = (transcripts / "grown.jsonl").stat().st_size
    with (transcripts / "grown.jsonl").open("ab") as handle:
        handle.write(b"more\n")
    with (transcripts / "cut.jsonl").open("r+b") as handle:
        handle.truncate(100)
    report = await proof(kept, transcripts, archived=True)
    gaps = {(Path(gap.file).stem, gap.copy, gap.start, gap.end) for gap in report.gaps if gap.copy != "log"}
    new = (transcripts / "new.jsonl").stat().st_size
    assert ("grown", "database", size, size + 5) in gaps
    assert ("new", "database", 0, new) in gaps
    assert {name for name, *_ in gaps} == {"grown", "new", "cut"}
    assert report.archived_only == 1
