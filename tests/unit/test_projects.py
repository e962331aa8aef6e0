"""Where assistants keep sessions beside the code of a project: found by the lists that other programs keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnemostream.contracts import sources
from mnemostream.contracts.sources import Root
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.disk.projects import projects, roots, stores
from mnemostream.runtime.rows.found import databases

LISTS = {
    ".claude.json": lambda folder: json.dumps({"projects": {folder: {"history": []}, "relative": {}}}),
    ".codex/config.toml": lambda folder: f'model = "x"\n[projects.{json.dumps(folder)}]\ntrust_level = "trusted"\n',
    ".local/share/crush/projects.json": lambda folder: json.dumps(
        {"projects": [{"path": folder, "data_dir": ".crush"}]}
    ),
    ".gemini/projects.json": lambda folder: json.dumps({"projects": {folder: "tidepool"}}),
    ".config/Code/User/workspaceStorage/ab/workspace.json": lambda folder: json.dumps(
        {"folder": "file://" + folder.replace(" ", "%20")}
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the stores of four assistants, and code that looks like transcripts."""
    folder = tmp_path / "my project"
    for file in (
        ".aider.chat.history.md",
        ".specstory/history/s1.md",
        ".crush/crush.db",
        "docs/x.md",
        "data/rows.jsonl",
    ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("x")
    return folder


@pytest.mark.parametrize("listed", LISTS)
def test_a_project_is_known_by_any_list_that_names_it(tmp_path: Path, project: Path, listed: str) -> None:
    file = tmp_path / "home" / listed
    file.parent.mkdir(parents=True)
    file.write_text(LISTS[listed](str(project)))
    assert projects({}, tmp_path / "home", "linux") == [str(project)]
    found = roots({}, tmp_path / "home", "linux")
    assert {(root.source, root.folder, root.flat) for root in found} == {
        ("aider", str(project), True),
        ("specstory", str(project / ".specstory/history"), False),
    }
    [aider] = [root for root in found if root.flat]
    assert [path for path, _ in walk(aider.folder, aider.leaves, [], flat=True)] == [".aider.chat.history.md"]
    assert databases({}, tmp_path / "home", "linux") == {str(project / ".crush/crush.db"): "crush"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"projects": 3}', '{"folder": "vscode-remote://ssh/x"}', '{"path": 1}']
)
def test_a_list_that_says_nothing_is_left(tmp_path: Path, text: str) -> None:
    for listed in LISTS:
        file = tmp_path / listed
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert projects({}, tmp_path, "linux") == []
    assert list(stores([str(tmp_path)])) == []


def test_a_project_hides_no_other_folder_and_a_watched_folder_has_its_projects(tmp_path: Path) -> None:
    flat = Root("/home/dana", "aider", "x", flat=True)
    homes = [Root("/home/dana/.claude/projects", "claude-code")]
    assert sources.distinct([flat, *homes]) == [*homes, flat]
    assert sources.distinct([flat, Root("/home"), *homes]) == [Root("/home")]


def test_a_link_in_a_repository_leads_nowhere(tmp_path: Path) -> None:
    """A repository may hold any link; it must neither bring private notes nor take over the folders of others."""
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    (home / "notes").mkdir(parents=True)
    (home / "notes" / "diary.md").write_text("secret")
    (project / ".specstory").mkdir(parents=True)
    (project / ".specstory" / "history").symlink_to("../..")
    (project / ".aider.chat.history.md").symlink_to("../notes/diary.md")
    (project / ".crush").symlink_to("../notes")
    (home / ".claude.json").write_text(json.dumps({"projects": {str(project): {}}}))
    assert projects({}, home, "linux") == [str(project)]
    assert roots({}, home, "linux") == []
    assert databases({}, home, "linux") == {}
