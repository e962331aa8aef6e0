"""pi sessions: a tree of JSONL entries (`id`, `parentId`), to records. Pure.

Branches that were left are kept: what was said was said. The order of the file decides.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_text
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    blocks_of,
    dict_of,
    joined,
    output_of,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown

QUIET = frozenset(
    {
        "custom",
        "label",
        "model_change",
        "session",
        "session_info",
        "thinking_level_change",
    }
)


class Pi(Format):
    """https://github.com/badlogic/pi-mono; read off real files."""

    name = "pi"

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(first)
        session = text_of(obj.get("id")) if obj.get("type") == "session" else ""
        return Context(session or super().context(path).session_id)

    def copy_key(self, name: str, link: str) -> str:
        return f"{name} {link}" if name.startswith("line-") else name  # a fork keeps the ids, of one branch alone

    def sniff(self, first: Object) -> bool:
        return first.get("type") == "session" and "cwd" in first and "payload" not in first

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        message = dict_of(obj.get("message"))
        role = text_of(message.get("role"))
        if cwd := text_of(obj.get("cwd")):
            state.cwd = cwd
        if kind == "message":
            items = _message(role, message)
        elif kind == "session":
            items = _fork(obj)
        elif kind in ("compaction", "branch_summary"):
            items = [Item(Kind.SUMMARY, text_of(obj.get("summary")))]
        elif kind == "custom_message":
            items = [Item(Kind.INJECTED, joined(obj.get("content")))]
        else:
            items = [] if kind in QUIET else None
        name = f"message/{role}" if kind == "message" else kind
        return Reading(
            unknown(name) if items is None else name,
            items or [],
            text_of(obj.get("id")) if kind != "session" else "",
            text_of(obj.get("timestamp")),
            state.cwd,
            role,
        )


def _fork(header: Object) -> list[Item]:
    """The session that this one branched from: named by the path of its file, `<time>_<id>.jsonl`."""
    path = text_of(header.get("parentSession")) or text_of(header.get("branchedFrom"))
    parent = path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".jsonl").rpartition("_")[2]
    return [Item(Kind.FORK, parent)] if parent else []


def _message(role: str, message: Object) -> list[Item] | None:
    content = message.get("content")
    if role == "user":
        words = unwrapped(joined(content), "pi")
        kind = Kind.PROMPT if of_text(words.text, "pi").person else Kind.INJECTED
        return [Item(kind, words.text), *([Item(Kind.INJECTED, words.context, block=1)] if words.context else [])]
    if role == "assistant":
        return _assistant(message)
    if role == "toolResult":
        return [Item(Kind.TOOL_RESULT, output_of(content), text_of(message.get("toolCallId")))]
    if role == "bashExecution":
        command = f"!{text_of(message.get('command'))}"
        return [Item(Kind.LOCAL_COMMAND, command), Item(Kind.LOCAL_OUTPUT, text_of(message.get("output")), block=1)]
    if role == "custom":
        return [Item(Kind.INJECTED, joined(content))]
    if role in ("branchSummary", "compactionSummary"):
        return [Item(Kind.SUMMARY, text_of(message.get("summary")))]
    return None


def _assistant(message: Object) -> list[Item]:
    items = []
    blocks = blocks_of(message.get("content"))
    for number, block in enumerate(blocks):
        kind = block.get("type")
        if kind == "text":
            items.append(Item(Kind.ANSWER, text_of(block.get("text")), block=number))
        elif kind == "thinking" and (thought := text_of(block.get("thinking"))):
            items.append(Item(Kind.THINKING, thought, block=number))
        elif kind == "toolCall":
            arguments = arguments_of(block.get("arguments"))
            items.append(Item(Kind.TOOL_CALL, "", text_of(block.get("name")), arguments, number))
    if error := text_of(message.get("errorMessage")):
        items.append(Item(Kind.ERROR, error, block=len(blocks)))
    return items
