"""Claude Code lines: the order of tests in docs/formats.md, one row per mark that overlaps with another."""

from __future__ import annotations

import json

import pytest

from contracts.events import Kind
from services.watcher.formats import claude_code, lines
from tests.conftest import answer, prompt

MAIN = claude_code.Context("session", False)
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
REJECTED = {
    "type": "tool_result",
    "tool_use_id": "t1",
    "is_error": True,
    "content": "The user doesn't want to proceed. To tell you how to proceed, the user said:\nuse rg instead"
    "\n\nNote: The user's next message may contain more",
}


def user(content: object, **extra: object) -> dict[str, object]:
    return {**prompt(""), "message": {"role": "user", "content": content}, **extra}


# To add a row: the number of the test in docs/formats.md, the line, what must come of it.
TABLE = [
    ("1 sidechain", user("hi", isSidechain=True), [(Kind.SUBAGENT_PROMPT, "hi")]),
    ("2 tool output", user([RESULT]), [(Kind.TOOL_RESULT, "")]),
    ("2 rejection", user([REJECTED]), [(Kind.TOOL_RESULT, ""), (Kind.STEER, "use rg instead")]),
    ("3 summary", user("continued from", isCompactSummary=True), [(Kind.SUMMARY, "continued from")]),
    ("4 meta", user("Caveat: …", isMeta=True), [(Kind.INJECTED, "Caveat: …")]),
    (
        "5 beside",
        user([RESULT, {"type": "text", "text": "log it too"}]),
        [(Kind.TOOL_RESULT, ""), (Kind.STEER, "log it too")],
    ),
    ("6 task", user("<task-notification>x"), [(Kind.NOTIFICATION, "<task-notification>x")]),
    ("7 stdout", user("<local-command-stdout>x"), [(Kind.LOCAL_OUTPUT, "<local-command-stdout>x")]),
    ("7 bash", user("<bash-input>ls</bash-input>"), [(Kind.LOCAL_COMMAND, "<bash-input>ls</bash-input>")]),
    (
        "8 interrupt",
        user([{"type": "text", "text": "[Request interrupted by user]"}]),
        [(Kind.INTERRUPT, "[Request interrupted by user]")],
    ),
    (
        "9 command",
        user(
            "<command-message>review</command-message>\n<command-name>/review</command-name>\n"
            "<command-args>pr 7</command-args>"
        ),
        [(Kind.COMMAND, "/review pr 7")],
    ),
    ("9 built-in", user("<command-name>/clear</command-name>"), [(Kind.LOCAL_COMMAND, "/clear")]),
    (
        "9 goal",
        user("<command-name>/goal</command-name><command-args>ship</command-args>"),
        [(Kind.COMMAND, "/goal ship")],
    ),
    ("10 prompt", user("ok"), [(Kind.PROMPT, "ok")]),
    ("10 wrapped", user("<system-reminder>x</system-reminder> oui "), [(Kind.PROMPT, "oui")]),
    (
        "10 only wrapper",
        user("<ide_selection>x</ide_selection>"),
        [(Kind.INJECTED, "<ide_selection>x</ide_selection>")],
    ),
    ("10 image", user([{"type": "image", "source": {}}]), [(Kind.PROMPT, "")]),
    ("10 plan", user("Implement", planContent="p"), [(Kind.PLAN, "Implement")]),
]


@pytest.mark.parametrize(("line", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_user_line_is_what_its_first_matching_mark_says(line: dict, wanted: list) -> None:
    found, _ = claude_code.records(line, "id", 0, MAIN, claude_code.Exchange("running"))
    assert [(record.kind, record.text) for record in found] == wanted


def test_a_tool_result_never_ends_the_exchange_and_a_prompt_does() -> None:
    running = claude_code.Exchange()
    for line in (prompt("one", "p1"), user([RESULT]), answer("text", "more")):
        found, _ = claude_code.records(line, "id", 0, MAIN, running)
        assert {record.exchange_id for record in found} == {"p1"}
    claude_code.records(prompt("two", "p2"), "id", 0, MAIN, running)
    assert running.id == "p2"


def test_time_and_folder_come_from_the_outer_record() -> None:
    line = prompt("x")
    line["message"] |= {"timestamp": "1999", "cwd": "/wrong"}
    found, _ = claude_code.records(line, "id", 0, MAIN, claude_code.Exchange())
    assert (found[0].timestamp, found[0].cwd) == ("2026-08-01T10:00:00.000Z", "/home/dana/src/tidepool")


def test_sub_agent_files_belong_to_their_parent_and_make_no_exchange() -> None:
    file = claude_code.context("-home-x/parent/subagents/agent-1a.jsonl")
    running = claude_code.Exchange()
    found, _ = claude_code.records(prompt("do"), "id", 0, file, running)
    assert (file.session_id, found[0].kind, running.id) == ("parent", Kind.SUBAGENT_PROMPT, "")


@pytest.mark.parametrize("junk", [{}, {"type": 5}, {"type": "user", "message": 3}, {"type": "assistant"},
                                  {"type": "user", "message": {"content": [None, 4, {"type": "text"}]}}])  # fmt: skip
def test_odd_shapes_are_counted_and_never_fail(junk: dict) -> None:
    found, name = claude_code.records(junk, "id", 0, MAIN, claude_code.Exchange())
    assert isinstance(found, list)
    assert name


def test_unknown_types_are_counted_by_name() -> None:
    assert claude_code.records({"type": "hologram"}, "id", 0, MAIN, claude_code.Exchange()) == ([], "unknown:hologram")


ONE = json.dumps(prompt("a", "u1")).encode()
TWO = json.dumps(prompt("b", "u2")).encode()

DAMAGED = [
    ("splice", ONE + TWO, ["u1", "u2"]),
    ("nul", b"\0\0\0" + ONE, ["u1"]),
    ("garbage_beside_object", b'{"type":"user","mess' + TWO, ["u2"]),
    ("invalid_json", b'{"type":"user"', []),
    ("invalid_utf8", ONE.replace(b'"a"', b'"\xff"'), ["u1"]),
    ("bom", b"\xef\xbb\xbf" + ONE, ["u1"]),
    ("blank", b"", []),
    ("not_an_object", b"[1]", []),
]


@pytest.mark.parametrize(("how", "line", "ids"), DAMAGED, ids=[row[0] for row in DAMAGED])
def test_a_damaged_line_gives_up_its_complete_objects(how: str, line: bytes, ids: list[str]) -> None:
    found = lines.read(line + b"\n")
    assert found.damage == how
    assert [obj["uuid"] for _, obj in found.objects] == ids


def test_a_lone_surrogate_escape_is_readable_text() -> None:
    found = lines.read(ONE.replace(b'"a"', b'"\\ud800"'))
    assert found.objects[0][1]["message"]["content"] == "\ufffd"
