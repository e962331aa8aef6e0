"""Claude Code's lines of role user: looked at in a fixed order of tests, because the marks overlap.

Such a line may be tool output, machine text, a local command or a person's words. The numbers are those of
docs/formats.md. Pure.
"""

from __future__ import annotations

import re

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_claude
from mnemostream.services.watcher.authorship.texts import Object, blocks_of, content_of, output_of, text_of
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Item
from mnemostream.services.watcher.formats.claude.memory import ClaudeState
from mnemostream.services.watcher.formats.claude.replies import answers, rejection

LOCAL_OUTPUT_HEADS = ("<local-command-stdout>", "<local-command-stderr>", "<bash-stdout>", "<bash-stderr>")
INTERRUPT_HEAD = "[Request interrupted by user"
PICTURES = ("image", "document")


class Said(msgspec.Struct, frozen=True):
    """The items of one line, and witnesses of its author that nobody knows."""

    items: list[Item]
    unknown: str = ""


def items(obj: Object, aside: bool, state: ClaudeState) -> Said:
    """What one line of role user is; `aside` = a sub-agent's."""
    blocks = blocks_of(content_of(obj.get("message")))
    results = [block for block in blocks if block.get("type") == "tool_result"]
    if results and len(results) == len(blocks) and not aside:  # 2, the most frequent
        return _tool_results(obj, results, len(blocks), state)
    texts = [text_of(block.get("text")) for block in blocks if block.get("type", "text") == "text"]
    text = "\n".join(texts)
    if aside:  # 1
        return Said([Item(Kind.SUBAGENT_PROMPT, text)] if text else [])
    if results and not texts:  # 2
        return _tool_results(obj, results, len(blocks), state)
    if obj.get("isCompactSummary") is True or obj.get("isVisibleInTranscriptOnly") is True:  # 3
        return Said([Item(Kind.SUMMARY, text)])
    if results:  # 4: a person's comment typed while approving a tool call
        said = _tool_results(obj, results, len(blocks) + 1, state)
        return Said([*said.items, *_beside(obj, text, len(blocks))], said.unknown)
    author = of_claude(obj, text)  # 5
    if not author.person:
        return Said([Item(Kind.NOTIFICATION if author.notice else Kind.INJECTED, text)] if text else [], author.unknown)
    pictures = any(block.get("type") in PICTURES for block in blocks)
    return Said(_typed(obj, text, pictures=pictures), author.unknown)


def _typed(obj: Object, text: str, *, pictures: bool) -> list[Item]:
    """What a person typed: a command, an interrupt, or a prompt."""
    head = text.lstrip()
    if head.startswith(LOCAL_OUTPUT_HEADS):  # 6
        return [Item(Kind.LOCAL_OUTPUT, text)]
    if head.startswith("<bash-input>"):
        return [Item(Kind.LOCAL_COMMAND, text)]
    if head.startswith(INTERRUPT_HEAD):  # 7
        return [Item(Kind.INTERRUPT, text)]
    if head.startswith("<command-message>"):  # 8
        return [Item(Kind.COMMAND, command(text))]
    if head.startswith("<command-name>"):
        slash_command = command(text)  # /goal alone starts work of the model though it looks like a built-in
        return [Item(Kind.COMMAND if slash_command.startswith("/goal ") else Kind.LOCAL_COMMAND, slash_command)]
    words = unwrapped(text, "claude-code")  # 9
    context = [Item(Kind.INJECTED, words.context, block=1)] if words.context else []
    if words.text or pictures:
        return [Item(Kind.PLAN if obj.get("planContent") else Kind.PROMPT, words.text), *context]
    return [Item(Kind.INJECTED, text)] if text else []


def from_machine(text: str) -> bool:
    """True for words in a person's place that a program wrote."""
    return not of_claude({}, text).person


def command(text: str) -> str:
    """`/name args` of the markup of a slash command."""
    name = _tag(text, "command-name") or _tag(text, "command-message")
    args = _tag(text, "command-args")
    name = name if name.startswith("/") else f"/{name}"
    return f"{name} {args}".strip()


def _tag(text: str, name: str) -> str:
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return match[1].strip() if match else ""


def _tool_results(obj: Object, results: list[Object], free: int, state: ClaudeState) -> Said:
    """Results, and the words in them as blocks from `free` on."""
    entries = []
    unknown = ""
    for number, block in enumerate(results):
        call = text_of(block.get("tool_use_id"))
        entries.append(Item(Kind.TOOL_RESULT, output_of(block.get("content")), call, block=number))
        if said := rejection(obj, block):
            entries.append(Item(Kind.COMMENT, said, block=free + number))
            continue
        said, strange = answers(obj, block, asked=call in state.questions)
        unknown = unknown or strange
        if said:
            entries.append(Item(Kind.REPLY, said, block=free + number))
    return Said(entries, unknown)


def _beside(obj: Object, text: str, block: int) -> list[Item]:
    words = unwrapped(text, "claude-code")
    context = [Item(Kind.INJECTED, words.context, block=block + 1)] if words.context else []
    if not words.text:
        return context
    if words.text.startswith(INTERRUPT_HEAD):
        return [Item(Kind.INTERRUPT, words.text, block=block), *context]
    kind = Kind.COMMENT if of_claude(obj, words.text).person else Kind.INJECTED
    return [Item(kind, words.text, block=block), *context]
