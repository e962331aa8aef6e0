"""Claude Code lines: the order of tests in docs/formats.md, one row per mark that overlaps with another."""

from __future__ import annotations

import json

import pytest

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.formats import lines
from mnemostream.services.watcher.formats.base import Context
from mnemostream.services.watcher.formats.claude import ClaudeCode
from tests.conftest import answer, prompt

MAIN = Context("session", False)
CLAUDE = ClaudeCode()
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
REJECTED = {
    "type": "tool_result",
    "tool_use_id": "t1",
    "is_error": True,
    "content": "The user doesn't want to proceed. To tell you how to proceed, the user said:\nuse rg instead"
    "\n\nNote: The user's next message may contain more",
}


ANSWERED = {
    "type": "tool_result",
    "tool_use_id": "t1",
    "content": 'User has answered your questions: "Which?"="the second". You can now continue with the user\'s answers '
    "in mind.",
}


def user(content: object, **extra: object) -> dict[str, object]:
    return {**prompt(""), "message": {"role": "user", "content": content}, **extra}


# To add a row: the number of the test in docs/formats.md, the line, what must come of it.
TABLE = [
    ("2 answers", user([ANSWERED]), [(Kind.TOOL_RESULT, ANSWERED["content"]), (Kind.REPLY, '"Which?"="the second"')]),
    ("1 sidechain", user("hi", isSidechain=True), [(Kind.SUBAGENT_PROMPT, "hi")]),
    ("2 tool output", user([RESULT]), [(Kind.TOOL_RESULT, "ok")]),
    ("2 rejection", user([REJECTED]), [(Kind.TOOL_RESULT, REJECTED["content"]), (Kind.COMMENT, "use rg instead")]),
    ("3 summary", user("continued from", isCompactSummary=True), [(Kind.SUMMARY, "continued from")]),
    ("4 meta", user("Caveat: …", isMeta=True), [(Kind.INJECTED, "Caveat: …")]),
    (
        "5 beside",
        user([RESULT, {"type": "text", "text": "log it too"}]),
        [(Kind.TOOL_RESULT, "ok"), (Kind.COMMENT, "log it too")],
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
    (
        "10 wrapped",
        user("<system-reminder>x</system-reminder> oui "),
        [(Kind.PROMPT, "oui"), (Kind.INJECTED, "<system-reminder>x</system-reminder>")],
    ),
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
    found, _ = CLAUDE.records(line, 0, MAIN, CLAUDE.state())
    assert [(record.kind, record.text) for record in found] == wanted


def test_a_tool_result_never_ends_the_exchange_and_a_prompt_does() -> None:
    running = CLAUDE.state()
    for line in (prompt("one", "p1"), user([RESULT]), answer("text", "more")):
        found, _ = CLAUDE.records(line, 0, MAIN, running)
        assert {record.exchange_id for record in found} == {"p1"}
    CLAUDE.records(prompt("two", "p2"), 0, MAIN, running)
    assert running.exchange == "p2"


def queue(operation: str, content: str | None = None) -> dict[str, object]:
    line: dict[str, object] = {"type": "queue-operation", "operation": operation, "timestamp": "2026-08-01T10:00:00Z"}
    return line if content is None else {**line, "content": content}


def attached(text: str, mode: str = "prompt") -> dict[str, object]:
    words = {"type": "queued_command", "prompt": text, "commandMode": mode}
    return {"type": "attachment", "uuid": "a", "attachment": words}


TASK = "<task-notification>done"
QUEUES = [
    ("older versions name the words at enqueue only", [queue("enqueue", "stop"), queue("remove")], ["stop"]),
    ("remove names them too", [queue("enqueue", "a"), queue("enqueue", "b"), queue("remove", "b")], ["b"]),
    (
        "an attachment after the remove is the same words",
        [queue("enqueue", "a"), queue("remove"), attached("a")],
        ["a"],
    ),
    ("and one before it", [queue("enqueue", "a"), attached("a"), queue("remove", "a")], ["a"]),
    (
        "twice the same words are two steers",
        [queue("enqueue", "a"), queue("enqueue", "a"), attached("a"), queue("remove"), queue("remove"), attached("a")],
        ["a", "a"],
    ),
    ("dequeued words become a prompt elsewhere", [queue("enqueue", "a"), queue("dequeue")], []),
    ("words pulled back are no steer", [queue("enqueue", "a"), queue("popAll", "a"), queue("remove")], []),
    (
        "notifications keep their place in the queue",
        [queue("enqueue", TASK), queue("enqueue", "a"), queue("remove"), queue("remove")],
        ["a"],
    ),
    ("a notification is no steer", [queue("enqueue", TASK), queue("remove"), attached(TASK, "task-notification")], []),
]


@pytest.mark.parametrize(("lines_", "steers"), [row[1:] for row in QUEUES], ids=[row[0] for row in QUEUES])
def test_queued_words_are_steers_once_when_they_reach_the_running_turn(lines_: list, steers: list[str]) -> None:
    running = CLAUDE.state()
    CLAUDE.records(prompt("go", "p1"), 0, MAIN, running)
    found = [r for line in lines_ for r in CLAUDE.records(line, 0, MAIN, running)[0]]
    assert [r.text for r in found if r.kind is Kind.STEER] == steers
    queued = [line["content"] for line in lines_ if line.get("operation") == "enqueue" and line["content"] != TASK]
    assert [r.text for r in found if r.kind is Kind.QUEUED] == queued
    assert {r.exchange_id for r in found} <= {"p1"}


def test_local_commands_of_newer_versions_are_system_records() -> None:
    text = "<command-name>/model</command-name><command-args>opus</command-args>"
    line = {"type": "system", "subtype": "local_command", "content": text, "uuid": "s"}
    found, name = CLAUDE.records(line, 0, MAIN, CLAUDE.state())
    assert (name, found[0].kind, found[0].text) == (["system"], Kind.LOCAL_COMMAND, "/model opus")


def test_time_and_folder_come_from_the_outer_record() -> None:
    line = prompt("x")
    line["message"] |= {"timestamp": "1999", "cwd": "/wrong"}
    found, _ = CLAUDE.records(line, 0, MAIN, CLAUDE.state())
    assert (found[0].timestamp, found[0].cwd) == ("2026-08-01T10:00:00.000Z", "/home/dana/src/tidepool")


def test_sub_agent_files_belong_to_their_parent_and_their_work_is_a_unit_of_its_own() -> None:
    file = CLAUDE.context("-home-x/parent/subagents/agent-1a.jsonl")
    running = CLAUDE.state()
    found, _ = CLAUDE.records(prompt("do"), 0, file, running)
    assert (file.session_id, found[0].kind) == ("parent", Kind.SUBAGENT_PROMPT)
    assert (found[0].exchange_id, running.by_person) == (found[0].id, False)


@pytest.mark.parametrize("junk", [{}, {"type": 5}, {"type": "user", "message": 3}, {"type": "assistant"},
                                  {"type": "user", "message": {"content": [None, 4, {"type": "text"}]}}])  # fmt: skip
def test_odd_shapes_are_counted_and_never_fail(junk: dict) -> None:
    found, name = CLAUDE.records(junk, 0, MAIN, CLAUDE.state())
    assert isinstance(found, list)
    assert name


def test_unknown_types_are_counted_by_name() -> None:
    assert CLAUDE.records({"type": "hologram"}, 0, MAIN, CLAUDE.state()) == ([], ["unknown:hologram"])


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
    ("crlf", ONE + b"\r", ["u1"]),
    ("lone_surrogate", ONE.replace(b'"a"', b'"\\ud800"'), ["u1"]),
    ("too_deep", b'{"a":' * 5000 + b"1" + b"}" * 5000, []),
    ("splice", ONE + b"  " + TWO, ["u1", "u2"]),
    ("garbage_beside_object", ONE + b" trailing", ["u1"]),
]


def nested(levels: int) -> bytes:
    return b'{"a":[' * (levels // 2) + b"1" + b"]}" * (levels // 2)


@pytest.mark.parametrize("levels", [2, lines.DEEPEST, lines.DEEPEST + 2, 1500, 5000])
@pytest.mark.parametrize("damaged", [b"", b'{"type":"user","mess'])
def test_the_bound_on_depth_is_our_own(levels: int, damaged: bytes) -> None:
    found = lines.read(damaged + nested(levels) + b"\n")
    sound = levels <= lines.DEEPEST
    assert damaged or (len(found.objects), found.damage) == ((1, "") if sound else (0, "too_deep"))
    assert sound or not found.objects


@pytest.mark.parametrize(("how", "line", "ids"), DAMAGED, ids=[row[0] for row in DAMAGED])
def test_a_damaged_line_gives_up_its_complete_objects(how: str, line: bytes, ids: list[str]) -> None:
    found = lines.read(line + b"\n")
    assert found.damage == how
    assert [obj["uuid"] for _, obj in found.objects] == ids


def test_a_copy_inside_a_broken_record_is_no_record() -> None:
    """Progress records hold whole copies of sub-agents' messages."""
    nested = b'{"type":"progress","data":{"message":' + ONE
    assert [lines.read(nested + b"\n").objects, lines.read(nested + b"}").objects] == [
        [(len(nested) - len(ONE), json.loads(ONE))],
        [],
    ]
    assert lines.read(nested + b',"more"\n').objects == []
    assert len(lines.read(nested[:-3] + TWO + b"\n").objects) == 1


def test_a_torn_line_gives_up_only_what_is_complete_from_its_beginning() -> None:
    assert [at for at, _ in lines.read(ONE + b'{"type":').objects] == [0]
    assert lines.read(b'{"type":"user"' + ONE).objects == []
    assert len(lines.read(b'{"type":"user"' + ONE + b"\n").objects) == 1


def test_a_hostile_line_costs_no_quadratic_time() -> None:
    for line in (b'{"type":1}' * 50_000, b"{" * 500_000, b'{"a":' * 100_000, b'"{' * 300_000, b'{"uuid":1' * 50_000):
        lines.read(line + b"\n")


def test_a_lone_surrogate_escape_is_readable_text() -> None:
    found = lines.read(ONE.replace(b'"a"', b'"\\ud800"'))
    assert found.objects[0][1]["message"]["content"] == "\ufffd"
