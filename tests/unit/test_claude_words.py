"""Claude Code: words of a person inside results, messages that were written while they streamed, units of machines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts.transcripts import Kind, Record
from mnemostream.services.watcher.formats import FORMATS
from mnemostream.services.watcher.formats.base import Context
from tests.conftest import answer, prompt

CLAUDE = FORMATS["claude-code"]
FILE = Context("session")
REJECTED = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. x). "


def reading(*lines: dict[str, Any], file: Context = FILE) -> list[Record]:
    """The records that hold: of equal keys the last revision."""
    state, rows = CLAUDE.state(), {}
    for number, line in enumerate(lines):
        for record in CLAUDE.records(line, number, file, state)[0]:
            rows[record.id, record.block] = record
    return list(rows.values())


def words(*lines: dict[str, Any]) -> list[tuple[Kind, str]]:
    kinds = (Kind.REPLY, Kind.COMMENT, Kind.STEER, Kind.QUEUED, Kind.PROMPT)
    return [(record.kind, record.text) for record in reading(*lines) if record.kind in kinds]


def asked(call: str = "q1") -> dict[str, Any]:
    return answer({"type": "tool_use", "id": call, "name": "AskUserQuestion", "input": {}})


def result(text: Any, call: str = "q1", *, error: bool = False, **extra: Any) -> dict[str, Any]:
    return {**prompt("", **extra), "message": {"content": [
        {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": error}]}}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'User has answered your questions: "Which?"="SQLite". You can now continue with the user\'s answers in mind.',
        'Your questions have been answered: "Which?"="SQLite". You can now continue with these answers in mind.',
        'The user answered: "Which?"="SQLite". Read the answers carefully — they may request clarification.',
        'In a sentence of tomorrow: "Which?"="SQLite"',
        [{"type": "text", "text": 'The user answered: "Which?"="SQLite"'}],
    ],
)
def test_an_answer_is_read_whatever_the_sentence(text: Any) -> None:
    (found,) = words(asked(), result(text))
    assert found[0] is Kind.REPLY
    assert found[1].startswith('"Which?"="SQLite"')


@pytest.mark.parametrize(
    ("structured", "said"),
    [
        ({"answers": {"Which?": "SQLite"}}, '"Which?"="SQLite"'),
        ({"answers": {"Which?": ["a", "b"]}}, '"Which?"="a, b"'),
        ({"answers": {"Which?": "a"}, "annotations": {"Which?": {"notes": "no ORM"}}}, '"Which?"="a" notes: no ORM'),
        ({"answers": {"Which?": "(notes only)"}, "annotations": {"Which?": {"notes": "n"}}}, '"Which?"= notes: n'),
        ({"answers": {}, "annotations": {"Which?": {"notes": "later"}}}, '"Which?"= notes: later'),
        ({"answers": {}, "response": "neither of them"}, "neither of them"),
    ],
)
def test_the_structured_field_is_the_better_witness(structured: dict[str, Any], said: str) -> None:
    assert words(result("whatever it says", toolUseResult=structured)) == [(Kind.REPLY, said)]


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("No response after 60s — the user may be away", {"toolUseResult": {"answers": {}}}),
        (REJECTED + "STOP what you are doing and wait", {"error": True}),
        ("", {}),
        ("skipped", {"toolUseResult": {"answers": {"Q": "x"}, "annotations": {"Q": {"unanswered": "skipped"}}}}),
    ],
)
def test_who_said_nothing_has_no_words(text: str, extra: dict[str, Any]) -> None:
    lines = [asked(), result(text, **extra)]
    assert words(*lines) in ([], [(Kind.REPLY, "skipped")])
    if "toolUseResult" not in extra:
        assert words(*lines) == []


@pytest.mark.parametrize(
    "form",
    [
        REJECTED + "To tell you how to proceed, the user said:\n{}",
        REJECTED + "To tell you how to proceed, the user said:\n{}\n\nNote: The user's next message may contain more",
        REJECTED + "The user provided the following reason for the rejection:  {}",
        "Permission for this tool use was denied. The tool use was rejected (eg. x). The user said:\n{}",
        "The user rejected this call. User feedback: {}",
    ],
)
def test_a_reason_for_a_rejection_is_a_comment_whatever_the_sentence(form: str) -> None:
    assert words(result(form.format("keep the alias"), error=True)) == [(Kind.COMMENT, "keep the alias")]
    assert words(result(form.format("keep the alias"))) == []  # no rejection


def test_the_text_of_a_rule_or_a_hook_is_no_reason_of_a_person() -> None:
    by_rule = result(REJECTED + "the user said:\nuse rg", error=True, toolDenialKind="permission-rule")
    assert words(by_rule) == []
    assert words(result("PreToolUse:Bash hook error: the user said: no", error=True)) == []


def test_who_wants_to_clarify_has_said_what_he_answered() -> None:
    text = REJECTED + "To tell you how to proceed, the user said:\nThe user wants to clarify these questions.\n"
    text += '    Questions asked:\n- "Which?"\n  Answer: SQLite\n- "Where?"\n  Answer: (No answer provided)'
    assert words(result(text, error=True)) == [(Kind.COMMENT, "SQLite")]


@pytest.mark.parametrize("content", ["skip the slow ones", [{"type": "text", "text": "skip the slow ones"}]])
def test_queued_words_of_any_shape_are_read(content: Any) -> None:
    enqueue = {
        "type": "queue-operation",
        "operation": "enqueue",
        "timestamp": "2026-08-01T10:00:01Z",
        "content": content,
    }
    remove = {"type": "queue-operation", "operation": "remove", "timestamp": "2026-08-01T10:00:02Z"}
    found = words(prompt("port", "p"), enqueue, remove)
    assert found[1:] == [(Kind.QUEUED, "skip the slow ones"), (Kind.STEER, "skip the slow ones")]


def snapshot(text: str, *more: Any, message: str = "msg_1", **extra: Any) -> dict[str, Any]:
    line = answer(text, *more, **extra)
    line["message"]["id"] = message
    return line


def answers(*lines: dict[str, Any]) -> list[str]:
    return [record.text for record in reading(*lines) if record.kind is Kind.ANSWER]


@given(st.text(min_size=1, max_size=40), st.lists(st.integers(1, 40), max_size=6), st.booleans())
def test_of_a_message_that_was_written_while_it_streamed_the_last_writing_counts(
    text: str, cuts: list[int], thinking: bool
) -> None:
    text = "a" + text
    before = [{"type": "thinking", "thinking": "hm"}] if thinking else []
    lines = [answer(*before, text[:cut]) for cut in [*sorted(cuts), len(text)]]
    for line in lines:
        line["message"]["id"] = "msg_1"
    found = reading(prompt("q", "p"), *lines)
    assert [record.text for record in found if record.kind is Kind.ANSWER] == [text]
    assert len([record for record in found if record.kind is Kind.THINKING]) == thinking
    assert {record.exchange_id for record in found} == {"p"}


def test_two_blocks_of_one_message_stay_two() -> None:
    assert answers(snapshot("First."), snapshot("Second.")) == ["First.", "Second."]
    assert answers(snapshot("\n\n"), snapshot("\n\nSecond.")) == ["\n\n", "\n\nSecond."]
    assert answers(snapshot("I see", message="msg_1"), snapshot("I see more", message="msg_2")) == [
        "I see",
        "I see more",
    ]
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {}} for n in range(3)]
    found = reading(*(snapshot("x", message="m") | {"message": {"id": "m", "content": [call]}} for call in calls))
    assert [record.kind for record in found] == [Kind.TOOL_CALL] * 3


def test_a_snapshot_keeps_its_exchange_and_place() -> None:
    lines = [prompt("one", "p1"), snapshot("a", name="a1"), prompt("two", "p2"), snapshot("ab", name="a2")]
    found = {record.id: record for record in reading(*lines)}
    assert (found["a1"].text, found["a1"].exchange_id, found["a1"].revision) == ("ab", "p1", 1)


def unit(*lines: dict[str, Any], file: Context = FILE) -> list[tuple[str, str]]:
    return [(record.kind, record.exchange_id) for record in reading(*lines, file=file)]


def test_what_no_person_began_is_a_unit_that_its_opener_names() -> None:
    task = prompt('<teammate-message teammate_id="lead">check</teammate-message>', "t1")
    other = prompt('<teammate-message teammate_id="lead">again</teammate-message>', "t2")
    assert unit(task, answer("ok"), other, answer("yes")) == [
        ("notification", "t1"), ("answer", "t1"), ("notification", "t2"), ("answer", "t2")]  # fmt: skip
    assert unit(answer("orphan", name="a1"), answer("more")) == [("answer", "a1"), ("answer", "a1")]
    summary = prompt("This session is being continued", "s1", isCompactSummary=True)
    assert unit(summary, answer("going on")) == [("summary", "s1"), ("answer", "s1")]
    assert unit(prompt("do", "d1"), answer("done"), file=Context("parent", True)) == [
        ("subagent_prompt", "d1"), ("subagent_answer", "d1")]  # fmt: skip


def test_a_machine_never_ends_what_a_person_began() -> None:
    message = prompt("<cross-session-message from='x'>frozen</cross-session-message>")
    assert {exchange for _, exchange in unit(prompt("go", "p1"), answer("a"), message, answer("b"))} == {"p1"}
    aside = prompt("do", isSidechain=True)
    assert {exchange for _, exchange in unit(prompt("go", "p1"), aside, answer("c", isSidechain=True))} == {"p1"}


def test_a_fork_keeps_the_ids_of_what_it_copies_and_names_its_parent() -> None:
    copied = prompt("go", "new", forkedFrom={"sessionId": "parent", "messageUuid": "p1"})
    found = reading(copied, answer("a"))
    assert (found[0].kind, found[0].text, found[1].id, found[1].exchange_id) == (Kind.FORK, "parent", "p1", "p1")
