"""Claude Code transcripts: one JSON object a line, to records. Pure; format notes in docs/formats.md.

A line is looked at in a fixed order of tests (`_user`), because the marks overlap: a record of role
user may be tool output, machine text, a local command or the human. An exchange ends at the next
opener or at the end of the file; the order of the file decides, never the timestamps.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from contracts.events import OPENERS, Kind, Record

Object = dict[str, Any]

TOOL_INPUT_CHARS = 400
"""Characters of a tool's input kept for display; the whole input is in the segment's bytes."""

WRAPPERS = re.compile(r"<(ide_opened_file|ide_selection|ide_diagnostics|system-reminder)>.*?</\1>", re.DOTALL)
MACHINE_HEADS = ("<task-notification>", "<teammate-message", "<ci-monitor-event")
LOCAL_OUTPUT_HEADS = ("<local-command-stdout>", "<local-command-stderr>", "<bash-stdout>", "<bash-stderr>")
INTERRUPT_HEAD = "[Request interrupted by user"
REJECTION_MARK = "To tell you how to proceed, the user said:\n"
REJECTION_NOTE = "\n\nNote: The user's next message may contain"
CLARIFY_HEAD = "The user wants to clarify these questions"
BOOKKEEPING = frozenset(
    {
        "agent-name",
        "agent-setting",
        "ai-title",
        "attachment",
        "bridge-session",
        "custom-title",
        "file-history-delta",
        "file-history-snapshot",
        "frame-link",
        "last-prompt",
        "mode",
        "permission-mode",
        "pr-link",
        "progress",
        "queue-operation",
        "relocated",
        "result",
        "started",
        "summary",
        "system",
        "worktree-state",
    }
)


class Context(msgspec.Struct, frozen=True):
    """What the path of a file says about it."""

    session_id: str
    subagent: bool


class Exchange:
    """The running exchange: all that a parser must remember from one line to the next."""

    __slots__ = ("id",)

    def __init__(self, exchange_id: str = "") -> None:
        self.id = exchange_id


def context(path: str) -> Context:
    """Session and role of a file, from its path below the root.

    >>> context("-home-x/1b2c/subagents/agent-77.jsonl")
    Context(session_id='1b2c', subagent=True)
    """
    parts = path.split("/")
    stem = parts[-1].removesuffix(".jsonl")
    if "subagents" in parts[1:-1]:
        return Context(parts[parts.index("subagents", 1) - 1], True)
    return Context(stem, stem.startswith("agent-"))


def records(obj: Object, line_id: str, offset: int, file: Context, exchange: Exchange) -> tuple[list[Record], str]:
    """The records of one object and the name under which its line is counted.

    `line_id` stands in where the assistant gave no uuid. Moves `exchange` on at an opener.
    """
    kind = obj.get("type")
    if kind == "assistant":
        found = _assistant(obj, file)
    elif kind == "user":
        found = _user(obj, file)
    elif kind == "attachment":
        found = _attachment(obj, file)
    elif kind == "queue-operation":
        found = _queue_operation(obj)
    else:
        found = []
    uuid = _str(obj.get("uuid")) or line_id
    if any(item[0] in OPENERS for item in found):
        exchange.id = uuid
    made = [
        Record(
            id=uuid,
            kind=what,
            offset=offset,
            block=block,
            text=text,
            tool=tool,
            tool_input=given,
            timestamp=_str(obj.get("timestamp")),
            exchange_id=exchange.id,
            cwd=_str(obj.get("cwd")),
            role=_str(kind),
        )
        for what, block, text, tool, given in found
    ]
    if kind in ("assistant", "user") or kind in BOOKKEEPING:
        return made, _str(kind)
    return made, f"unknown:{_str(kind)[:40] or 'no_type'}"


_Found = tuple[Kind, int, str, str, str]


def _assistant(obj: Object, file: Context) -> list[_Found]:
    message = _dict(obj.get("message"))
    aside = file.subagent or obj.get("isSidechain") is True
    synthetic = message.get("model") == "<synthetic>"
    found: list[_Found] = []
    for number, block in enumerate(_blocks(message.get("content"))):
        what = block.get("type")
        if what == "text" and synthetic:
            found.append((Kind.ERROR, number, _str(block.get("text")), "", ""))
        elif what == "text":
            kind = Kind.SUBAGENT_ANSWER if aside else Kind.ANSWER
            found.append((kind, number, _str(block.get("text")), "", ""))
        elif what == "thinking":
            if text := _str(block.get("thinking")):
                found.append((Kind.THINKING, number, text, "", ""))
        elif what == "tool_use":
            given = msgspec.json.encode(block.get("input")).decode("utf-8", "replace")[:TOOL_INPUT_CHARS]
            tool = _str(block.get("name"))
            found.append((Kind.SUBAGENT_CALL if aside else Kind.TOOL_CALL, number, "", tool, given))
    return found


def _user(obj: Object, file: Context) -> list[_Found]:
    """The tests in their order; the numbers are those of docs/formats.md."""
    content = _dict(obj.get("message")).get("content")
    blocks = _blocks(content)
    texts = [_str(block.get("text")) for block in blocks if block.get("type") == "text"]
    results = [block for block in blocks if block.get("type") == "tool_result"]
    text = "\n".join(texts)
    head = text.lstrip()
    if file.subagent or obj.get("isSidechain") is True:  # 1
        return [(Kind.SUBAGENT_PROMPT, 0, text, "", "")] if text else []
    if results and not texts:  # 2
        return _tool_results(results)
    if obj.get("isCompactSummary") is True or obj.get("isVisibleInTranscriptOnly") is True:  # 3
        return [(Kind.SUMMARY, 0, text, "", "")]
    if obj.get("isMeta") is True:  # 4
        return [(Kind.INJECTED, 0, text, "", "")] if text else []
    if results:  # 5: a human's comment typed while approving a tool call
        return _tool_results(results) + _beside(text, len(blocks))
    if head.startswith(MACHINE_HEADS) or _dict(obj.get("origin")).get("kind") == "task-notification":  # 6
        return [(Kind.NOTIFICATION, 0, text, "", "")]
    if head.startswith(LOCAL_OUTPUT_HEADS):  # 7
        return [(Kind.LOCAL_OUTPUT, 0, text, "", "")]
    if head.startswith("<bash-input>"):
        return [(Kind.LOCAL_COMMAND, 0, text, "", "")]
    if head.startswith(INTERRUPT_HEAD):  # 8
        return [(Kind.INTERRUPT, 0, text, "", "")]
    if head.startswith("<command-message>"):  # 9
        return [(Kind.COMMAND, 0, _command(text), "", "")]
    if head.startswith("<command-name>"):
        command = _command(text)  # /goal alone starts work of the model though it looks like a built-in
        return [(Kind.COMMAND if command.startswith("/goal ") else Kind.LOCAL_COMMAND, 0, command, "", "")]
    words = WRAPPERS.sub("", text).strip()  # 10
    if words or any(block.get("type") in ("image", "document") for block in blocks):
        return [(Kind.PLAN if obj.get("planContent") else Kind.PROMPT, 0, words, "", "")]
    return [(Kind.INJECTED, 0, text, "", "")] if text else []


def _tool_results(results: list[Object]) -> list[_Found]:
    found: list[_Found] = []
    for number, block in enumerate(results):
        found.append((Kind.TOOL_RESULT, number, "", _str(block.get("tool_use_id")), ""))
        said = _rejection(block)
        if said:
            found.append((Kind.STEER, len(results) + number, said, "", ""))
    return found


def _rejection(block: Object) -> str:
    """Words that the human typed when rejecting a tool call."""
    content = block.get("content")
    text = content if isinstance(content, str) else "\n".join(_str(b.get("text")) for b in _blocks(content))
    if block.get("is_error") is not True or REJECTION_MARK not in text:
        return ""
    said = text.split(REJECTION_MARK, 1)[1].split(REJECTION_NOTE, 1)[0].strip()
    return "" if said.startswith(CLARIFY_HEAD) else said


def _beside(text: str, block: int) -> list[_Found]:
    words = WRAPPERS.sub("", text).strip()
    if not words:
        return []
    kind = Kind.INTERRUPT if words.startswith(INTERRUPT_HEAD) else Kind.STEER
    return [(kind, block, words, "", "")]


def _attachment(obj: Object, file: Context) -> list[_Found]:
    """A message queued by the human and given to the running turn."""
    attachment = _dict(obj.get("attachment"))
    if file.subagent or obj.get("isSidechain") is True or attachment.get("type") != "queued_command":
        return []
    prompt = attachment.get("prompt")
    text = prompt if isinstance(prompt, str) else "\n".join(_str(b.get("text")) for b in _blocks(prompt))
    machine = attachment.get("commandMode") == "task-notification" or text.lstrip().startswith(MACHINE_HEADS)
    return [(Kind.NOTIFICATION if machine else Kind.STEER, 0, text.strip(), "", "")] if text.strip() else []


def _queue_operation(obj: Object) -> list[_Found]:
    """Words that a `remove` names; the versions that name them only at `enqueue` are not paired yet."""
    text = _str(obj.get("content")).strip()
    if obj.get("operation") != "remove" or not text or text.startswith((*MACHINE_HEADS, '{"task_id"', "/")):
        return []
    return [(Kind.STEER, 0, text, "", "")]


def _command(text: str) -> str:
    """`/name args` of the markup of a slash command."""
    name = _tag(text, "command-name") or _tag(text, "command-message")
    args = _tag(text, "command-args")
    name = name if name.startswith("/") else f"/{name}"
    return f"{name} {args}".strip()


def _tag(text: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return found[1].strip() if found else ""


def _blocks(content: object) -> list[Object]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [b if isinstance(b, dict) else {"type": "text", "text": _str(b)} for b in content]
    return []


def _dict(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
