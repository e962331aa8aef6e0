"""Gemini CLI sums up its history: what it puts in its place was said by nobody a second time."""

from __future__ import annotations

import json
from typing import Any

from mnemostream.contracts.transcripts import Kind, Record
from tests.unit.test_sources import reading

HEAD = {"sessionId": "s1", "projectHash": "ab", "startTime": "2026-06-12T08:00:00.000Z"}
THANKS = "Got it. Thanks for the additional context!"
SNAPSHOT = "<scratchpad>\nthinking\n</scratchpad>\n\n<state_snapshot>\nall of it\n</state_snapshot>"


def message(name: str, kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "timestamp": "2026-06-12T08:36:53.681Z", "type": kind, "content": [{"text": text}], **more}


def records(*lines: dict[str, Any]) -> list[Record]:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in (HEAD, *lines))
    return reading("p/chats/session-1.jsonl", data, "gemini")[1]


def said(found: list[Record]) -> list[tuple[str, str]]:
    return [(str(record.kind), record.text) for record in found]


FIRST = (message("u1", "user", "continue"), message("g1", "gemini", "done"))
SECOND = (message("u2", "user", "continue"), message("g2", "gemini", "done, too"))


def test_the_summary_the_thanks_and_the_copies_are_no_words_of_a_person() -> None:
    copies = [message("u9", "user", "continue"), message("g9", "gemini", "done, too")]
    brought = [message("s1", "user", SNAPSHOT), message("t1", "gemini", THANKS), *copies]
    found = records(*FIRST, *SECOND, {"$set": {"messages": brought}}, message("u3", "user", "and now?"))
    assert said(found) == [
        ("prompt", "continue"),
        ("answer", "done"),
        ("prompt", "continue"),
        ("answer", "done, too"),
        ("summary", SNAPSHOT),
        ("injected", THANKS),
        ("prompt", "and now?"),
    ]
    assert found[4].exchange_id == found[3].exchange_id


def test_what_has_no_earlier_message_like_it_stays() -> None:
    brought = [
        message("s1", "user", SNAPSHOT),
        message("u8", "user", "never said before"),
        message("u9", "user", "nor this"),
    ]
    found = records(*FIRST, {"$set": {"messages": brought}})
    assert [text for kind, text in said(found) if kind == "prompt"] == ["continue", "never said before", "nor this"]


def test_without_a_summary_a_set_brings_its_messages_as_they_are() -> None:
    found = records(
        *FIRST, {"$set": {"messages": [message("u7", "user", "continue"), message("g7", "gemini", THANKS)]}}
    )
    assert said(found)[2:] == [("prompt", "continue"), ("answer", THANKS)]


def test_the_context_of_a_hook_beside_a_prompt_is_no_part_of_it() -> None:
    found = records(message("u1", "user", "why?\n\n<hook_context>branch main</hook_context>"))
    assert [(record.kind, record.text) for record in found] == [
        (Kind.PROMPT, "why?"),
        (Kind.INJECTED, "<hook_context>branch main</hook_context>"),
    ]
