"""Sessions beside the code of a project are captured without being named, and nothing else of the project is."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sources import samples
from tests.system.test_field import PORTS, mnemo


def test_aider_and_specstory_in_a_project_are_captured_and_proved(folder: Path) -> None:
    home, project = folder / "home", folder / "code" / "tidepool"
    (project / ".specstory" / "history").mkdir(parents=True)
    (project / ".aider.chat.history.md").write_bytes(samples.LINES["aider"]())
    (project / ".specstory" / "history" / "s1.md").write_bytes(samples.LINES["specstory"]())
    (project / "README.md").write_text("# no transcript\n")
    (project / "rows.jsonl").write_text('{"a": 1}\n')
    home.mkdir()
    (home / ".claude.json").write_text(json.dumps({"projects": {str(project): {}}}))
    data = [
        "--data",
        str(folder / "d"),
    ]
    more = {"HOME": str(home)}
    done = mnemo("up", "--once", "--embedders", "0", *PORTS, *data, "--source", "defaults", **more)
    assert done.returncode == 4, done.stderr
    up = mnemo("up", "--detach", "--embedders", "0", *PORTS, *data, "--source", "defaults", **more)
    assert up.returncode == 0, up.stderr
    try:
        listed = json.loads(mnemo("sessions", "--json", *data, **more).stdout)["sessions"]
        assert {session["source"] for session in listed} == {"aider", "specstory"}
        proof = mnemo("verify", "--json", *data, **more)
        assert proof.returncode == 0, proof.stdout + proof.stderr
        report = json.loads(proof.stdout)
        assert (report["files"], report["left"]) == (2, {}), report
        found = json.loads(mnemo("doctor", "--json", *data, **more).stdout)
        folders = {(one["source"], one["folder"]) for one in found["folders"] if one["files"]}
        assert folders == {("aider", str(project)), ("specstory", str(project / ".specstory" / "history"))}
    finally:
        mnemo("down", *data, **more)
