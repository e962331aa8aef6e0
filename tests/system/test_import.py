"""`mnemo import`: exports are archived, proved, found, not twice, and forgotten with the copy that we made."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sources import samples
from tests.system.test_field import PORTS, mnemo


def test_an_export_is_imported_once_found_and_forgotten(folder: Path) -> None:
    data = ["--data", str(folder / "d")]
    live = folder / "live"
    live.mkdir()
    export = folder / "conversations.json"
    export.write_bytes(samples.LINES["chatgpt"]())
    early = mnemo("import", str(export), *data)
    assert early.returncode == 3, early.stderr
    assert "captures what was imported" in early.stderr
    assert mnemo("up", "--detach", "--embedders", "0", *PORTS, *data, "--source", str(live)).returncode == 0
    try:
        (folder / "history").mkdir()
        (folder / "history" / "s1.md").write_bytes(samples.LINES["specstory"]())
        for number in range(2):
            done = mnemo("import", str(export), str(folder / "history"), "--json", *data)
            assert done.returncode == 0, done.stdout + done.stderr
            told = json.loads(done.stdout)
            assert told["verified"]
            assert [(f["source"], f["new"]) for f in told["files"]] == [("chatgpt", False), ("specstory", number == 0)]
        listed = json.loads(mnemo("sessions", "--json", *data).stdout)["sessions"]
        assert {session["source"] for session in listed} == {"chatgpt", "specstory"}
        assert {s["title"] for s in listed if s["source"] == "chatgpt"} == {"Tides"}
        shown = mnemo("show", samples.SESSION, *data).stdout
        assert samples.QUESTIONS[0] in shown
        assert samples.ANSWERS[1] in shown
        proof = mnemo("verify", "--json", *data)
        assert (proof.returncode, json.loads(proof.stdout)["files"]) == (0, 2), proof.stdout
        copy = folder / "d" / "imports" / "chatgpt" / f"{samples.SESSION}.json"
        assert copy.exists()
        assert mnemo("forget", samples.SESSION, "--yes", *data).returncode == 0
        assert not copy.exists()
        assert mnemo("verify", *data).returncode == 0
        again = mnemo("import", str(export), "--json", *data)
        assert again.returncode == 1, again.stdout
        assert [one["reason"] for one in json.loads(again.stdout)["refused"]] == ["forgotten earlier, and kept out"]
        assert not copy.exists()
    finally:
        mnemo("down", *data)
