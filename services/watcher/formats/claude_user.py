"""Claude Code's lines of role user: looked at in a fixed order of tests, because the marks overlap.

Such a line may be tool output, machine text, a local command or the human. The numbers are those of
docs/formats.md. Pure.
"""

from __future__ import annotations

import re

from contracts.transcripts import Kind
from services.watcher.formats.base import Item, Object, blocks_of, dict_of, joined, text_of

WRAPPERS = re.compile(r"<(ide_opened_file|ide_selection|ide_diagnostics|system-reminder)>.*?</\1>", re.DOTALL)
MACHINE_HEADS = ("<task-notification>", "<teammate-message", "<ci-monitor-event")
LOCAL_OUTPUT_HEADS = ("<local-command-stdout>", "<local-command-stderr>", "<bash-stdout>", "<bash-stderr>")
INTERRUPT_HEAD = "[Request interrupted by user"
REJECTION_MARK = "To tell you how to proceed, the user said:\n"
REJECTION_NOTE = "\n\nNote: The user's next message may contain"
CLARIFY_HEAD = "The user wants to clarify these questions"
ANSWERS_HEAD = "User has answered your questions: "
ANSWERS_TAIL = ". You can now continue with the user's answers in mind."


def items(obj: Object, aside: bool) -> list[Item]:  # noqa: C901 - a flat table, numbered as in docs/formats.md
    """What one line of role user is; `aside` = a sub-agent's."""
    content = dict_of(obj.get("message")).get("content")
    blocks = blocks_of(content)
    texts = [text_of(block.get("text")) for block in blocks if block.get("type") == "text"]
    results = [block for block in blocks if block.get("type") == "tool_result"]
    text = "\n".join(texts)
    head = text.lstrip()
    if aside:  # 1
        return [Item(Kind.SUBAGENT_PROMPT, text)] if text else []
    if results and not texts:  # 2
        return _tool_results(results, len(blocks))
    if obj.get("isCompactSummary") is True or obj.get("isVisibleInTranscriptOnly") is True:  # 3
        return [Item(Kind.SUMMARY, text)]
    if obj.get("isMeta") is True:  # 4
        return [Item(Kind.INJECTED, text)] if text else []
    if results:  # 5: a human's comment typed while approving a tool call
        return _tool_results(results, len(blocks) + 1) + _beside(text, len(blocks))
    if head.startswith(MACHINE_HEADS) or dict_of(obj.get("origin")).get("kind") == "task-notification":  # 6
        return [Item(Kind.NOTIFICATION, text)]
    if head.startswith(LOCAL_OUTPUT_HEADS):  # 7
        return [Item(Kind.LOCAL_OUTPUT, text)]
    if head.startswith("<bash-input>"):
        return [Item(Kind.LOCAL_COMMAND, text)]
    if head.startswith(INTERRUPT_HEAD):  # 8
        return [Item(Kind.INTERRUPT, text)]
    if head.startswith("<command-message>"):  # 9
        return [Item(Kind.COMMAND, command(text))]
    if head.startswith("<command-name>"):
        slash_command = command(text)  # /goal alone starts work of the model though it looks like a built-in
        return [Item(Kind.COMMAND if slash_command.startswith("/goal ") else Kind.LOCAL_COMMAND, slash_command)]
    prompt = WRAPPERS.sub("", text).strip()  # 10
    if prompt or any(block.get("type") in ("image", "document") for block in blocks):
        return [Item(Kind.PLAN if obj.get("planContent") else Kind.PROMPT, prompt)]
    return [Item(Kind.INJECTED, text)] if text else []


def from_machine(text: str) -> bool:
    """True for words in the human's place that a program wrote."""
    return text.lstrip().startswith((*MACHINE_HEADS, '{"task_id"'))


def command(text: str) -> str:
    """`/name args` of the markup of a slash command."""
    name = _tag(text, "command-name") or _tag(text, "command-message")
    args = _tag(text, "command-args")
    name = name if name.startswith("/") else f"/{name}"
    return f"{name} {args}".strip()


def _tag(text: str, name: str) -> str:
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return match[1].strip() if match else ""


def _tool_results(results: list[Object], free: int) -> list[Item]:
    """Results, and the words in them as blocks from `free` on."""
    entries = []
    for number, block in enumerate(results):
        entries.append(Item(Kind.TOOL_RESULT, "", text_of(block.get("tool_use_id")), block=number))
        text = joined(block.get("content"))
        if block.get("is_error") is True and (said := _rejection(text)):
            entries.append(Item(Kind.COMMENT, said, block=free + number))
        elif text.startswith(ANSWERS_HEAD):
            answers = text.removeprefix(ANSWERS_HEAD).removesuffix(ANSWERS_TAIL)
            entries.append(Item(Kind.REPLY, answers, block=free + number))
    return entries


def _rejection(text: str) -> str:
    """Words that the human typed when rejecting a tool call."""
    _, mark, said = text.partition(REJECTION_MARK)
    said = said.split(REJECTION_NOTE, 1)[0].strip()
    return "" if not mark or said.startswith(CLARIFY_HEAD) else said


def _beside(text: str, block: int) -> list[Item]:
    comment = WRAPPERS.sub("", text).strip()
    if not comment:
        return []
    kind = Kind.INTERRUPT if comment.startswith(INTERRUPT_HEAD) else Kind.COMMENT
    return [Item(kind, comment, block=block)]
