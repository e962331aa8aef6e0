"""What every format must do. A new one: a folder of fixtures in formats/, with what is to be read off them.

`<fixture>.expected.json` is written by `python -m tests.conformance.test_formats` and then read by a person.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.contracts import sources
from mnemostream.contracts.transcripts import OPENERS, Record
from mnemostream.services.watcher.formats import CLAIMING, FORMATS, identify, lines
from mnemostream.services.watcher.formats.base import Format, State
from mnemostream.services.watcher.parsing.units import FileOrigin, Unit, parse, split

FOLDER = Path(__file__).parent / "formats"
FIXTURES = sorted(f for f in FOLDER.glob("*/*.json*") if not f.name.endswith(".expected.json"))
every_fixture = pytest.mark.parametrize("file", FIXTURES, ids=lambda file: f"{file.parent.name}/{file.name}")
every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))


def origin_of(file: Path) -> FileOrigin:
    data = file.read_bytes()
    found = identify(file.name, data, sources.AUTO, complete=True)
    assert found is not None
    context = found.format.context(file.name, found.first)
    return FileOrigin("t", "h", "/r", file.name, found.format, context, found.whole)


def reading(file: Path) -> tuple[list[Record], dict[str, int]]:
    origin = origin_of(file)
    records, counts = parse([Unit(0, file.read_bytes())], origin, origin.format.state())
    return records, dict(counts)


def told(file: Path) -> dict[str, Any]:
    """What is compared with the expectation: everything but offsets."""
    records, counts = reading(file)
    origin = origin_of(file)
    rows = [
        [
            r.exchange_id,
            r.id,
            r.block,
            r.kind,
            r.text,
            r.tool,
            r.timestamp,
            r.cwd,
            *([r.revision] if r.revision else []),
        ]
        for r in records
    ]
    facts = {"session": origin.file.session_id, "subagent": origin.file.subagent, "whole": origin.whole}
    return msgspec.to_builtins({**facts, "counts": dict(sorted(counts.items())), "records": rows})


def test_every_source_has_a_parser_and_fixtures() -> None:
    assert set(FORMATS) == set(sources.BY_NAME) >= {file.parent.name for file in FIXTURES}  # others: tests/sources


@every_fixture
def test_a_fixture_is_read_as_a_person_has_read_it(file: Path) -> None:
    expected = file.with_name(f"{file.stem}{file.suffix.replace('.', '-')}.expected.json")
    assert told(file) == msgspec.json.decode(expected.read_bytes())


@every_fixture
def test_a_file_is_recognised_by_its_content_and_by_one_format_only(file: Path) -> None:
    data = file.read_bytes()
    found = identify("x" + file.suffix, data, sources.AUTO, complete=True)
    assert found is not None
    assert found.format.name == file.parent.name
    claims = [form.name for form in CLAIMING if form.sniff(found.first)]
    assert claims[:1] in ([file.parent.name], [])
    early = identify("x" + file.suffix, data[:200], sources.AUTO, complete=False, rested=False)
    assert early is None or early.format.name == file.parent.name


@every_fixture
def test_exchanges_begin_with_an_opener_and_ids_are_unique(file: Path) -> None:
    records, _ = reading(file)
    opened = [r for r in records if r.kind in OPENERS]
    assert opened
    assert all(r.copy_key for r in opened)
    by_person = {r.exchange_id for r in opened}
    assert len(by_person) == len({r.id for r in opened})
    units = {r.exchange_id for r in records if r.exchange_id} - by_person
    assert all(any(r.copy_key and r.exchange_id == unit for r in records) for unit in units)
    keys = [(r.id, r.block, r.part, r.revision) for r in records]
    assert len(keys) == len(set(keys))
    assert all(r.timestamp for r in records if r.kind in OPENERS)


@every_fixture
def test_unknown_types_are_counted(file: Path) -> None:
    _, counts = reading(file)
    assert file.name.endswith(".json") or any(name.startswith("unknown:") for name in counts)


@every_fixture
def test_the_state_rebuilt_from_the_lines_that_matter_goes_on_alike(file: Path) -> None:
    origin = origin_of(file)
    if origin.whole:
        pytest.skip("a document is read as a whole")
    pieces = split(file.read_bytes())
    for stop in range(len(pieces)):
        whole, short = origin.format.state(), origin.format.state()
        for number, line in enumerate(pieces[:stop]):
            parse([Unit(number, line)], origin, whole)
            if origin.format.matters(line, short):
                parse([Unit(number, line)], origin, short)
        rest = [Unit(stop, b"".join(pieces[stop:]))]
        assert parse(rest, origin, whole) == parse(rest, origin, short)


@every_fixture
def test_a_line_read_twice_gives_the_same_ids(file: Path) -> None:
    """A last line without newline is read when it has rested, and again when it goes on."""
    origin = origin_of(file)
    state = origin.format.state()
    for number, line in enumerate([file.read_bytes()] if origin.whole else split(file.read_bytes())):
        first, _ = parse([Unit(number, line.rstrip(b"\n"))], origin, copy.deepcopy(state))
        again, _ = parse([Unit(number, line)], origin, state)
        assert first == again


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@every_format
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_odd_shapes_are_counted_and_never_fail(form: Format, data: st.DataObject) -> None:
    """Objects of the fixtures with something replaced, at any depth."""
    state: State = form.state()
    for file in FIXTURES:
        if file.parent.name != form.name:
            continue
        raw = file.read_bytes()
        objects = [obj for line in [raw, *split(raw)] for _, obj in lines.read(line, document=True).objects]
        obj = _spoilt(copy.deepcopy(data.draw(st.sampled_from(objects))), data)
        records, names = form.records(obj, 0, form.context("a/b.jsonl", obj), state)
        assert all(names)
        assert all(isinstance(record.text, str) for record in records)
        msgspec.json.encode(records)


def _spoilt(obj: Any, data: st.DataObject) -> Any:
    at = obj
    while isinstance(at, dict) and at:
        key = data.draw(st.sampled_from(sorted(at)))
        if data.draw(st.booleans()) or not isinstance(at[key], (dict, list)):
            at[key] = data.draw(junk)
            break
        at = at[key][0] if isinstance(at[key], list) and at[key] else at[key]
    return obj


if __name__ == "__main__":
    for fixture in FIXTURES:
        target = fixture.with_name(f"{fixture.stem}{fixture.suffix.replace('.', '-')}.expected.json")
        text = msgspec.json.format(msgspec.json.encode(told(fixture)), indent=1)
        target.write_bytes(text + b"\n")
        sys.stdout.write(f"{target}\n")
