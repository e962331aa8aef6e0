"""Exports from elsewhere: each conversation byte for byte, and the same one is the same file the next time."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.cli.imports.placing import Import, Refused, place
from mnemostream.cli.imports.split import NoList, conversations
from mnemostream.contracts import sources
from tests.sources import samples

EXPORTS = ("chatgpt", "claude-ai", "gemini-takeout", "specstory", "vscode", "amp", "devin", "codex", "cline")
any_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=5)


@given(
    st.lists(st.dictionaries(st.text(max_size=8), any_json, max_size=4), max_size=6),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_a_list_is_cut_into_its_objects_and_nothing_is_lost(
    told: list[dict[str, object]], indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(told, indent=indent, ensure_ascii=ascii_only)
    found = list(conversations(text))
    assert [json.loads(piece) for _, piece in found] == told
    at = 0
    for _, piece in found:
        at = text.index(piece, at) + len(piece)
    assert "".join(text.split()).count("{}") >= sum(1 for one in told if not one)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"a": 1}', '[{"a": 1}] x', '[{"a": }]'])
def test_what_is_no_list_of_conversations_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(NoList):
        list(conversations(text))


def _placed(paths: list[Path], folder: Path, only: str = "") -> tuple[list[Import], list[Refused]]:
    found = list(place(paths, folder, only))
    return [f for f in found if isinstance(f, Import)], [f for f in found if isinstance(f, Refused)]


def _export(folder: Path, name: str) -> list[Path]:
    written = []
    for path, data in samples.files(sources.BY_NAME[name]).items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        written.append(file)
    return written


@pytest.mark.parametrize("name", [name for name in EXPORTS if samples.files(sources.BY_NAME[name])])
def test_an_export_is_recognised_by_what_is_in_it(tmp_path: Path, name: str) -> None:
    found, refused = _placed(_export(tmp_path, name), tmp_path / "imports")
    assert refused == []
    assert {one.source for one in found} <= {name, sources.CANONICAL[sources.BY_NAME[name].dialect], "amp", "vibe"}
    assert all(one.new and Path(one.file).stat().st_mode & 0o077 == 0 for one in found)
    again, _ = _placed(_export(tmp_path, name), tmp_path / "imports")
    assert [(one.file, one.new) for one in again] == [(one.file, False) for one in found]


def test_a_later_export_changes_the_conversations_that_grew_and_adds_the_new_ones(tmp_path: Path) -> None:
    [file] = _export(tmp_path, "chatgpt")
    [told] = json.loads(file.read_bytes())
    _placed([file], tmp_path / "imports")
    other = {**told, "conversation_id": "0f9d2b1c-2222-4222-8333-444455556666"}
    file.write_text(json.dumps([other, {**told, "title": "Tides, again"}, other]))
    found, _ = _placed([file], tmp_path / "imports")
    assert [(Path(one.file).stem, one.new) for one in found] == [
        (other["conversation_id"], True),
        (told["conversation_id"], True),
        (other["conversation_id"], False),
    ]


def test_archives_and_folders_are_looked_into_and_what_is_nobodys_is_named(tmp_path: Path) -> None:
    [file] = _export(tmp_path, "chatgpt")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(file, "conversations.json")
        archive.writestr("user.json", '{"email": "dana@example.org"}')
        archive.writestr("chat.html", "<html>")
    found, refused = _placed([tmp_path / "export.zip"], tmp_path / "imports")
    assert [(one.source, Path(one.file).name) for one in found] == [("chatgpt", f"{samples.SESSION}.json")]
    assert [(Path(one.origin).name, one.reason) for one in refused] == [
        ("user.json", "no transcript or export of a known assistant")
    ]
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "README.md").write_text("# my notes\n")
    (notes / "rows.jsonl").write_text('{"a": 1}\n')
    (notes / "a.txt").write_text("words")
    _, refused = _placed([notes], tmp_path / "imports")
    assert [Path(one.origin).name for one in refused] == ["README.md", "rows.jsonl"]
    found, _ = _placed([notes / "rows.jsonl"], tmp_path / "imports", "claude-code")
    assert [one.source for one in found] == ["claude-code"]


def _written(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_two_sessions_are_never_one_file(tmp_path: Path) -> None:
    s = samples.SESSION
    main, sub = samples.LINES["claude"](), samples.LINES["claude"]().replace(b"noon", b"dawn")
    claude = _written(
        tmp_path / "projects",
        {
            f"a/{s}.jsonl": main,
            "a/agent-12.jsonl": sub,
            f"a/{s}/subagents/agent-1.jsonl": main + b"\n",
            f"b/{s}.jsonl": sub,
        },
    )
    wire = samples.LINES["kimi"]()
    kimi = _written(
        tmp_path / "kimi", {f"p/{name}/agents/main/wire.jsonl": wire + name.encode() for name in ("x", "y")}
    )
    told = json.dumps(
        [{"id": f"{mark}-1", "mapping": {}, "title": mark} for mark in ("aaaaaaaa/b", "aaaaaaaa-b")]
    ).encode()
    chats = _written(
        tmp_path / "chats", {"conversations.json": told, "other/conversations.json": told.replace(b"1", b"2")}
    )
    long = json.dumps([{"uuid": "x" * 160 + mark, "chat_messages": []} for mark in "ab"]).encode()
    for paths in ([claude], [kimi], [chats], [_written(tmp_path / "long", {"conversations.json": long})]):
        found, refused = _placed(paths, tmp_path / "imports")
        assert refused == []
        assert len({one.file for one in found}) == len(found)
        assert all(Path(one.file).stat().st_size == one.bytes for one in found)
        again, _ = _placed(paths, tmp_path / "imports")
        assert [(one.file, one.new) for one in again] == [(one.file, False) for one in found]


def test_damaged_and_hostile_archives_are_refused_by_name(tmp_path: Path) -> None:
    [file] = _export(tmp_path, "chatgpt")
    with zipfile.ZipFile(tmp_path / "good.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, "a/conversations.json")
        archive.writestr("deep.json", '[{"mapping": {}, "create_time": 1}, {"a": ' + '{"a": ' * 100_000)
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
        archive.writestr("../../up.jsonl", samples.LINES["codex"]())
    found, refused = _placed([tmp_path / "good.zip"], tmp_path / "imports")
    assert {Path(one.origin).name for one in refused} == {"deep.json", "inner.zip"}
    assert len(found) == 2
    assert all(Path(one.file).resolve().is_relative_to(tmp_path / "imports") for one in found)
    whole = (tmp_path / "good.zip").read_bytes()
    (tmp_path / "flipped.zip").write_bytes(whole[:60] + bytes(40) + whole[100:])
    (tmp_path / "words.txt").write_text("no export")
    found, refused = _placed([tmp_path / "flipped.zip", tmp_path / "words.txt"], tmp_path / "other")
    assert len(found) == 1
    assert any("cannot be unpacked" in one.reason for one in refused)
    assert any("its name must end in" in one.reason for one in refused)


def test_a_thread_of_amp_is_known_by_its_name(tmp_path: Path) -> None:
    told = {"v": 1, "id": "T-5928a90d-d53b-488f-a829-4e36442142ee", "messages": [{"role": "user", "content": "why?"}]}
    file = tmp_path / "export.json"
    file.write_text(json.dumps(told))
    [one], _ = _placed([file], tmp_path / "imports")
    assert (one.source, Path(one.file).stem) == ("amp", told["id"])
