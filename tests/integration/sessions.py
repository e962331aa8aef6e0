"""Sessions of every family, made of prompts and answers, and what may be done to a session without changing it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import zstandard

from tests.conftest import answer, jsonl, prompt

Talk = list[tuple[str, str]]
"""Prompts and answers."""
File = tuple[str, bytes]
"""Path and content."""


def moment(second: int) -> str:
    return f"2026-08-{1 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"


def claude(session: str, talk: Talk, start: int = 0, ids: str = "") -> File:
    lines: list[Any] = []
    for number, (words, said) in enumerate(talk):
        at = {"timestamp": moment(start + number * 10)}
        lines += [prompt(words, f"{ids or session}-{number}", sessionId=session, parentUuid=None, **at)]
        lines += [answer(said, name=f"{ids or session}-{number}a", sessionId=session, **at)]
    return f"-p/{session}.jsonl", jsonl(*lines)


def codex(session: str, talk: Talk, start: int = 0, head: Sequence[Any] = ()) -> File:
    meta = {"id": session, "timestamp": moment(start), "cwd": "/x", "source": "cli"}
    lines: list[Any] = [{"timestamp": moment(start), "type": "session_meta", "payload": meta}, *head]
    for number, (words, said) in enumerate(talk):
        at, blocks = moment(start + 1 + number), [{"type": "input_text", "text": words}]
        message = {"type": "message", "role": "user", "content": blocks}
        lines += [
            {"timestamp": at, "type": "response_item", "payload": message},
            {"timestamp": at, "type": "event_msg", "payload": {"type": "user_message", "message": words}},
            {"timestamp": at, "type": "event_msg", "payload": {"type": "agent_message", "message": said}},
        ]
    return f"rollout-{session}.jsonl", jsonl(*lines)


def pi(session: str, talk: Talk, start: int = 0, parent: str = "") -> File:
    header = {"type": "session", "version": 3, "id": session, "timestamp": moment(start), "cwd": "/x"}
    lines: list[Any] = [{**header, **({"parentSession": parent} if parent else {})}]
    for number, (words, said) in enumerate(talk):
        for role, text in (("user", words), ("assistant", said)):
            line = {"type": "message", "id": f"{number:07}{role[0]}", "timestamp": moment(start + number)}
            lines.append({**line, "message": {"role": role, "content": [{"type": "text", "text": text}]}})
    return f"{session}.jsonl", jsonl(*lines)


def gemini(session: str, talk: Talk, start: int = 0, ids: str = "") -> File:
    messages: list[Any] = []
    for number, (words, said) in enumerate(talk):
        for kind, text in (("user", words), ("gemini", said)):
            message: Any = {"timestamp": moment(start + number), "type": kind, "content": text}
            messages.append({**message, "id": f"{ids}-{number}-{kind}"} if ids else message)
    whole = {"sessionId": session, "projectHash": "ab" * 32, "messages": messages}
    return f"p/chats/{session}.json", json.dumps(whole, indent=1).encode()


def opencode(session: str, talk: Talk, start: int = 0) -> File:
    messages = [
        {"info": {"role": role, "time": {"created": 1785578400000 + 1000 * (start + number)}}, "parts": [
            {"type": "text", "text": text}]}
        for number, pair in enumerate(talk) for role, text in zip(("user", "assistant"), pair, strict=True)
    ]  # fmt: skip
    return f"{session}.json", json.dumps({"info": {"id": f"ses_{session}"}, "messages": messages}, indent=1).encode()


FAMILIES = {"claude": claude, "codex": codex, "pi": pi, "gemini": gemini, "opencode": opencode}


def codex_fork(session: str, parent: str, talk: Talk, start: int) -> File:
    """As Codex forks: its own head, then its parent's, and the parent's history stamped with the time of the fork."""
    meta = {"id": parent, "timestamp": moment(0), "cwd": "/x", "source": "cli"}
    path, data = codex(session, talk, start, [{"timestamp": moment(start), "type": "session_meta", "payload": meta}])
    return path, data.replace(b'"source":"cli"}', b'"source":"cli","forked_from_id":"' + parent.encode() + b'"}', 1)


def replayed(file: File) -> list[File]:
    path, data = file
    return [file, (f"again/{path}", data)]


def compressed(file: File) -> list[File]:
    path, data = file
    return [file, (f"{path}.zst", zstandard.compress(data))]


def cut(file: File) -> list[File]:
    path, data = file
    lines = data.splitlines(keepends=True)
    return [file] if path.endswith(".json") else [(f"cut/{path}", b"".join(lines[: 2 * len(lines) // 3])), file]


def restamped(file: File) -> list[File]:
    """Another time on each line; a document is the newer writing of itself."""
    path, data = file
    later = re.sub(rb'("timestamp": ?")202', rb"\g<1>209", data).replace(b'"created": 178', b'"created": 179')
    return [file, (f"later/{path}", later)]


INSIDE = ("message", "messages", "payload", "content", "parts")
TEXTS = ("text", "input_text", "output_text")


def _split(value: Any, key: str = "") -> Any:
    """Messages whose texts are in two blocks each, cut at the first line."""
    if isinstance(value, str) and key == "content" and "\n" in value.strip():
        return [{"type": "text", "text": part} for part in value.split("\n", 1)]
    if isinstance(value, list):
        blocks = []
        for block in value:
            text = block.get("text") if isinstance(block, dict) and block.get("type", "text") in TEXTS else None
            parts = text.split("\n", 1) if isinstance(text, str) and "\n" in text.strip() else []
            blocks += [{**block, "text": part} for part in parts] or [_split(block)]
        return blocks
    if isinstance(value, dict):
        return {name: _split(inner, name) if name in INSIDE else inner for name, inner in value.items()}
    return value


def split(file: File) -> list[File]:
    """Each text of a message in two blocks. Tools' results and events without blocks stay."""
    path, data = file
    try:
        whole = json.loads(data)
    except ValueError:
        whole = None
    if whole is not None and path.endswith(".json"):
        return [file, (f"split/{path}", json.dumps(_split(whole), indent=1).encode())]
    lines = []
    for line in data.splitlines(keepends=True):
        try:
            value = json.loads(line)
            kept = value.get("payload", value).get("type") in ("message", "user", "assistant")
            lines.append(json.dumps(_split(value)).encode() + b"\n" if kept else line)
        except (ValueError, AttributeError):
            lines.append(line)
    return [file, (f"split/{path}", b"".join(lines))]


def forked(file: File) -> list[File]:
    """As Claude Code forks: another session, the same ids."""
    path, data = file
    return [file, (path.replace(".jsonl", "-fork.jsonl"), data.replace(b'"sessionId":"', b'"sessionId":"fork-'))]
