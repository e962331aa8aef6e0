"""What a person sends to help with a format holds keys and types, and nothing of what was said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.cli.shapes.shape import merged, shape
from mnemostream.cli.shapes.stores import stores
from mnemostream.contracts import sources
from tests.sources import samples
from tests.sources.databases import DATABASES

words = st.text(st.characters(codec="utf-8"), min_size=12, max_size=30).map(lambda text: f"secret {text}")
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "id", "text"]) | words, inner),
    max_leaves=20,
)


@given(any_json)
def test_no_value_and_no_name_that_a_person_chose_is_in_a_shape(value: object) -> None:
    assert "secret" not in json.dumps(shape(value))


@given(st.lists(any_json, max_size=4))
def test_merging_is_the_same_in_any_order_of_kinds(values: list[object]) -> None:
    shapes = [shape(value) for value in values]
    assert _sorted(merged(shapes)) == _sorted(merged([*shapes, *reversed(shapes)]))


def _sorted(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("name", ["claude-code", "cline", "codex", "continue", "openhands"])
def test_the_files_of_an_assistant_give_their_keys(tmp_path: Path, name: str) -> None:
    for path, data in samples.files(sources.BY_NAME[name]).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    [store] = stores([(name, str(tmp_path))])
    told = json.dumps(store.shape)
    assert "text" in told
    for text in (*samples.QUESTIONS, *samples.ANSWERS, samples.FOLDER, samples.SESSION):
        assert text not in told


def test_a_database_gives_its_tables_and_columns(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    samples.build(file, DATABASES["opencode"]())
    [store] = stores([("opencode", str(file))])
    assert store.store == "database"
    assert "session_id" in store.shape["message"]
    assert [one.name for one in tmp_path.iterdir() if one.name != file.name] == []
