"""Kiro CLI: a fork of a session begins with the same lines; what was typed once is one exchange."""

from __future__ import annotations

import json
import uuid

from tests.unit.test_sources import reading


def line(kind: str, name: str, text: str) -> bytes:
    data = {"message_id": name, "content": [{"kind": "text", "data": text}], "meta": {"timestamp": 1_780_646_946}}
    return json.dumps({"version": "v1", "kind": kind, "data": data}).encode() + b"\n"


def turn(number: int) -> bytes:
    ids = [str(uuid.UUID(int=2 * number + side)) for side in (0, 1)]
    return line("Prompt", ids[0], f"question {number}") + line("AssistantMessage", ids[1], f"answer {number}")


def test_what_a_fork_has_copied_is_the_same_exchange_and_what_follows_is_not() -> None:
    found = [reading(f"cli/{name}.jsonl", turn(1) + turn(n), "kiro")[1] for name, n in (("main", 2), ("fork", 3))]
    exchanges = [[record.exchange_id for record in records] for records in found]
    assert exchanges[0][:2] == exchanges[1][:2]
    assert len(set(exchanges[0][2:]) | set(exchanges[1][2:]) | set(exchanges[0][:2])) == 3


def test_a_prompt_without_an_id_is_known_in_its_session_only() -> None:
    bare = line("Prompt", "", "yes")
    exchanges = {reading(f"cli/{name}.jsonl", bare, "kiro")[1][0].exchange_id for name in ("a", "b")}
    assert len(exchanges) == 2
