"""Any bytes and any JSON, for every parser and for the decoder of events: records or nothing, never an error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.contracts import codec
from mnemostream.contracts.transcripts import Record
from mnemostream.services.watcher.formats import FORMATS, lines
from tests.conftest import ROOT

FIXTURES = [
    line
    for file in sorted((ROOT / "tests" / "conformance" / "formats").rglob("*.json*"))
    if "expected" not in file.name
    for line in file.read_bytes().splitlines()[:8]
    if line.startswith(b"{") and line.endswith(b"}") and len(line) < 4000
]
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
"""Without lone surrogates: the reader of lines has replaced them."""
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from(["user", "text"]))
WORDS = """type message role content text uuid parts payload id timestamp origin kind toolUseResult answers data info
sessionId cwd version isMeta operation attachment input name tool_use_id forkedFrom snapshot messages"""
KEYS = st.sampled_from(WORDS.split())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))


def replaced(value: Any, path: int, other: Any) -> Any:
    """The value with another one in one place of it."""
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        for key in inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ():
            places.append((inner, key))
            walk(inner[key])

    walk(value)
    if places:
        holder, key = places[path % len(places)]
        holder[key] = other
    return value


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_object_breaks_a_parser(name: str, data: st.DataObject) -> None:
    form = FORMATS[name]
    context, state = form.context("a/b.jsonl", {}), form.state()
    for _ in range(3):
        known = json.loads(data.draw(st.sampled_from(FIXTURES)))
        obj = replaced(known, data.draw(st.integers(0, 200)), data.draw(JSON))
        form.sniff(obj)
        form.context("a/b.jsonl", obj)
        records, names = form.records(obj, 0, context, state)
        assert all(isinstance(record, Record) for record in records)
        assert all(isinstance(found, str) for found in names)
        msgspec.json.encode([msgspec.structs.replace(record, text="") for record in records])


@settings(max_examples=300, deadline=None)
@given(
    line=st.one_of(st.binary(max_size=300), st.sampled_from(FIXTURES)),
    cut=st.integers(0, 300),
    more=st.binary(max_size=9),
)
def test_no_line_breaks_the_reader(line: bytes, cut: int, more: bytes) -> None:
    lines.read(line[:cut] + more + line[cut:])
    lines.read(line[:cut] + more + line[cut:], document=True)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_bytes_break_the_decoder_of_events(data: st.DataObject) -> None:
    golden = data.draw(st.sampled_from(sorted((ROOT / "contracts" / "golden").glob("*.json")))).read_bytes()
    value = replaced(json.loads(golden), data.draw(st.integers(0, 60)), data.draw(JSON))
    for payload in (data.draw(st.binary(max_size=100)), json.dumps(value).encode("utf-8", "replace")):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            codec.decode(payload)
