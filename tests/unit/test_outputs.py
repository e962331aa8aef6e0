"""What tools gave, as text: of every shape, whole, and compressed on its way where it is long; titles of sessions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts.transcripts import Kind, Record
from mnemostream.runtime.disk import bodies
from mnemostream.runtime.errors import Permanent
from mnemostream.services.watcher.authorship.texts import output_of
from mnemostream.services.watcher.formats import FORMATS
from mnemostream.services.watcher.parsing.segments import batches
from mnemostream.services.watcher.parsing.units import FileOrigin, Unit, parse

SHAPES = [
    ("plain", "plain"),
    ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
    ({"stdout": "out", "stderr": "err", "interrupted": False}, "out\nerr"),
    ({"output": "done"}, "done"),
    ('{"output":"Exit code: 0","metadata":{"exit_code":0}}', "Exit code: 0"),
    ('{"name": "a JSON file"}', '{"name": "a JSON file"}'),
    ('{"broken', '{"broken'),
    ({"content": [{"type": "text", "text": "deep"}]}, "deep"),
    ([{"type": "image", "source": {"data": "AAAA"}}], ""),
    ({"files": 3}, '{"files":3}'),
    (None, ""),
    ([], ""),
]


@pytest.mark.parametrize(("value", "text"), SHAPES)
def test_results_of_every_shape(value: object, text: str) -> None:
    assert output_of(value) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_result_breaks_the_reader(value: object) -> None:
    assert isinstance(output_of(value), str)


@given(st.text(max_size=3000))
def test_a_packed_text_comes_out_as_it_was(text: str) -> None:
    record = Record("r", Kind.TOOL_RESULT, 0, packed=bodies.pack(text))
    assert bodies.text_of(record) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("data", [b"junk", bodies.pack("x" * (8 << 20))[:-4], bodies.pack("x" * (8 << 20))])
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(Permanent, match="cannot be decompressed"):
        bodies.text_of(Record("r", Kind.TOOL_RESULT, 0, packed=data))


def test_a_long_result_travels_compressed_and_whole() -> None:
    output = "".join(f"line {number} of the log\n" for number in range(20_000))
    block = {"type": "tool_result", "tool_use_id": "t", "content": output}
    line = json.dumps({"type": "user", "uuid": "u", "message": {"role": "user", "content": [block]}}).encode() + b"\n"
    form = FORMATS["claude-code"]
    origin = FileOrigin("t", "h", "/", "p", form, form.context("p.jsonl"))
    records, _ = parse([Unit(0, line)], origin, form.state())
    assert "".join(bodies.text_of(record) for record in records) == output
    assert sum(len(record.packed) for record in records) < len(output) / 5
    assert [record.part for record in records] == list(range(len(records)))
    assert len(list(batches(records))) == 1


TITLED = [
    ({"type": "ai-title", "aiTitle": "Fix the build", "sessionId": "s"}, ("Fix the build", "")),
    ({"type": "custom-title", "customTitle": "release", "sessionId": "s"}, ("release", "")),
    ({"type": "summary", "summary": "Parsers", "leafUuid": "leaf"}, ("Parsers", "leaf")),
    ({"type": "ai-title", "sessionId": "s"}, None),
    ({"type": ["ai-title"], "sessionId": "s"}, None),
]


@pytest.mark.parametrize(("line", "wanted"), TITLED)
def test_titles_are_records_and_open_no_exchange(line: dict[str, object], wanted: tuple[str, str] | None) -> None:
    form = FORMATS["claude-code"]
    records, _ = form.records(line, 0, form.context("s.jsonl"), form.state())
    assert [(record.text, record.tool) for record in records] == ([wanted] if wanted else [])
    assert all(record.kind is Kind.TITLE and not record.exchange_id for record in records)
