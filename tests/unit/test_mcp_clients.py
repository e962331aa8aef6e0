"""Settings of assistants: the server is put in and taken out, and nothing else changes."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.cli.mcp.clients import Command, Unreadable, claude_with, gemini_with, toml_with

OURS = Command("/opt/my tools/mnemo", ["mcp", "--data", 'a "b" \\c'])
CLAUDE = '{\n    "numStartups": 3,\n    "mcpServers": {\n        "other": {"command": "x"}\n    },\n    "ü": 1\n}\n'
CODEX = """# mine
model = "o5"

[mcp_servers.other]
command = "x" # keep

[mcp_servers.mnemostream]
command = "old"
args = [
  "a",
]

[mcp_servers.mnemostream.env]
A = "1"

[projects."/home/dana"]
trust_level = "trusted"
"""


def test_json_in_and_out() -> None:
    after = claude_with(CLAUDE, OURS)
    assert json.loads(after)["mcpServers"]["mnemostream"] == {
        "type": "stdio",
        "command": OURS.command,
        "args": OURS.args,
    }
    assert '    "numStartups"' in after
    assert "ü" in after
    assert claude_with(after, OURS) == after
    assert json.loads(claude_with(after, None)) == json.loads(CLAUDE)
    assert json.loads(gemini_with("", OURS)) == {
        "mcpServers": {"mnemostream": {"command": OURS.command, "args": OURS.args}}
    }
    assert json.loads(gemini_with(gemini_with("", OURS), None)) == {}
    assert claude_with(CLAUDE, None) == CLAUDE


@pytest.mark.parametrize("text", ["{", "// a comment\n{}", "[]", '{"mcpServers": []}', '"x"'])
def test_json_that_is_not_understood_is_left_alone(text: str) -> None:
    with pytest.raises(Unreadable, match="by hand"):
        claude_with(text, OURS)


def test_toml_in_and_out() -> None:
    after = toml_with(CODEX, OURS)
    assert tomllib.loads(after)["mcp_servers"]["mnemostream"] == {"command": OURS.command, "args": OURS.args}
    assert toml_with(after, OURS) == after
    gone = toml_with(after, None)
    assert '# mine\nmodel = "o5"\n\n[mcp_servers.other]\ncommand = "x" # keep\n' in gone
    assert "mnemostream" not in gone
    assert toml_with(toml_with("", OURS), None) == ""
    assert toml_with(gone, None) == gone


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = { mnemostream = { command = 'x' } }\n",
        "[mcp_servers]\nmnemostream = { command = 'x' }\n",
        "mcp_servers.mnemostream.command = 'x'\n",
        "a = \n",
        "[mcp_servers]\nmnemostream.command = 'x'\n",
    ],
)
def test_toml_that_is_not_understood_is_left_alone(text: str) -> None:
    with pytest.raises(Unreadable, match="by hand"):
        toml_with(text, OURS)


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists), max_size=5))
def test_what_else_is_in_the_file_stays(settings: dict[str, object]) -> None:
    settings.pop("mcpServers", None)
    before = json.dumps(settings)
    assert json.loads(claude_with(claude_with(before, OURS), None)) == settings
