"""Every assistant of the registry: its sample is found where it keeps its sessions, and read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mnemostream.contracts import sources
from mnemostream.contracts.sources import Source
from mnemostream.contracts.sources.places import expanded
from mnemostream.contracts.transcripts import OPENERS, Kind, Record
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals, bounded
from mnemostream.services.watcher.files.identify import HEAD
from mnemostream.services.watcher.formats import FORMATS, identify
from mnemostream.services.watcher.parsing.units import FileOrigin, Unit, parse
from mnemostream.services.watcher.rows.identify import assistant_of
from mnemostream.services.watcher.rows.once import row_logs
from tests.conftest import EXAMPLES, ROOT
from tests.sources.databases import DATABASES
from tests.sources.samples import ANSWERS, QUESTIONS, build, files

every_source = pytest.mark.parametrize("source", sources.SOURCES, ids=lambda source: source.name)
NO_TOOLS = {"warp", "chatgpt", "claude-ai", "gemini-takeout", "auggie"}
NO_ANSWERS = {"warp"}


def last(records: list[Record]) -> list[Record]:
    """The last revision of each record."""
    newest = {(r.id, r.block, r.part): r for r in sorted(records, key=lambda r: r.revision)}
    return sorted(newest.values(), key=lambda r: r.offset)


def reading(path: str, data: bytes, source: str) -> tuple[str, list[Record], dict[str, int]]:
    found = identify(path, data[:HEAD], source, complete=len(data) <= HEAD)
    assert found is not None
    origin = FileOrigin("t", "h", "/r", path, found.format, found.format.context(path, found.first), found.whole)
    records, counts = parse([Unit(0, data)], origin, origin.format.state())
    return found.format.name, last(records), dict(counts)


def check(records: list[Record], source: str) -> None:
    prompts = [r.text.strip() for r in records if r.kind in OPENERS and r.kind is not Kind.COMMAND]
    assert prompts == list(QUESTIONS)
    assert all(r.exchange_id for r in records if r.kind in OPENERS)
    if source not in NO_ANSWERS:
        words = " ".join(r.text for r in records if r.kind is Kind.ANSWER)
        assert all(answer in words for answer in ANSWERS)
    calls = [r for r in records if r.kind in (Kind.TOOL_CALL, Kind.COMMAND)]
    assert len(calls) == 1 or source in NO_TOOLS or (source == "specstory" and not calls)


def test_the_registry_knows_more_than_sixty_three_and_each_has_a_parser_and_a_sample() -> None:
    assert len(sources.SOURCES) > 63
    assert set(FORMATS) == set(sources.BY_NAME)
    for source in sources.SOURCES:
        assert files(source) or (source.dialect in DATABASES and (source.databases or not source.homes)), source.name


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.jsonl")), ids=lambda file: file.name)
def test_a_line_that_nobody_claims_is_still_claude_codes(file: Path) -> None:
    found = identify(file.name, file.read_bytes()[:HEAD], sources.AUTO, complete=False)
    assert found is not None
    assert found.format.name == "claude-code"


@every_source
def test_the_page_for_people_says_the_same_as_the_registry(source: Source) -> None:
    page = (ROOT / "docs" / "assistants.md").read_text()
    row = next(line for line in page.splitlines() if f"| `{source.name}` |" in line)
    assert row.startswith(f"| {source.title} | `{source.name}` | {source.dialect} | {source.store} |")
    assert all(f"`{way}`" in row for place in (*source.homes, *source.databases) for way in place.split(" | "))
    dialects = {one.dialect for one in sources.SOURCES}
    assert f"{len(sources.SOURCES)} assistants in {len(dialects)} dialects." in page


@every_source
def test_a_sample_has_a_name_that_its_home_expects(source: Source) -> None:
    for path in files(source):
        named = re.fullmatch(source.files, path) or (source.sealed and re.fullmatch(source.sealed, path))
        assert named, path


@every_source
def test_homes_and_databases_are_absolute_folders_on_each_system(source: Source) -> None:
    for system in ("linux", "darwin", "win32"):
        for place in (*source.homes, *source.databases):
            found = list(expanded(place, {}, Path("/home/dana"), system))
            assert found
            assert all(one.startswith("/home/dana/") for one in found)


@every_source
def test_a_sample_is_read(source: Source) -> None:
    if source.store == "sealed" or not files(source):
        pytest.skip("nothing that can be read")
    records: list[Record] = []
    for path, data in files(source).items():
        name, some, counts = reading(path, data, source.name)
        assert name == source.name
        assert not [one for one in counts if one.startswith(("unknown:", "damaged:"))], counts
        records += some
    check(records, source.name)


@pytest.mark.parametrize("dialect", sorted(DATABASES))
def test_a_database_is_read_by_its_rows_and_credentials_stay_out(dialect: str, tmp_path: Path) -> None:
    file = tmp_path / "owner" / "x.db"
    build(file, DATABASES[dialect]())
    source = assistant_of(file, tmp_path / "scratch")
    assert sources.BY_NAME[source].dialect == dialect
    logs = list(row_logs(file, tmp_path / "ours", source))
    records: list[Record] = []
    for _, session, data in logs:
        assert b"secret" not in data
        name, some, _ = reading(f"{session or '_'}.jsonl", data, source)
        assert name == source
        records += some
    check(records, source)
    assert sorted(one.name for one in file.parent.iterdir()) == ["x.db"]


def test_a_watcher_that_tells_of_every_assistant_is_believed() -> None:
    told = WatcherVitals(host="laptop", sources={source.name: SourceVitals(files=1) for source in sources.SOURCES})
    assert bounded(told)
