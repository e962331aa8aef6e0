"""Claude Code transcripts: one JSON object a line, to records. Pure; format notes in docs/formats.md.

An exchange ends at the next opener or at the end of the file; the order of the file decides, never the
timestamps. What the human typed while the assistant worked stands in the queue, see `Queue`.
"""

from __future__ import annotations

from collections import Counter

from contracts.transcripts import Kind
from services.watcher.formats import claude_user as user
from services.watcher.formats.base import (
    Context,
    Format,
    Item,
    Object,
    Reading,
    State,
    arguments_of,
    blocks_of,
    dict_of,
    joined,
    text_of,
    unknown,
)

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


MOST_WAITING = 500
"""Entries of a queue that are remembered; nobody types more into a running turn."""


class Queue:
    """What was typed while the assistant worked. An entry leaves as an ordinary prompt (dequeue), into the
    running turn (remove; newer versions repeat it as an attachment, before or after), or back to the input box."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.removed: Counter[str] = Counter()
        """Given to the turn by `remove`, its attachment not seen yet."""
        self.attached: Counter[str] = Counter()
        """Given to the turn by an attachment, its `remove` not seen yet."""

    def take(self, content: str) -> str:
        """The entry with this content, or the oldest one; it leaves the queue."""
        if content in self.waiting:
            self.waiting.remove(content)
            return content
        return content or (self.waiting.pop(0) if self.waiting else "")


class ClaudeState(State):
    """The queue beside the running exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()


class ClaudeCode(Format):
    """https://docs.claude.com/en/docs/claude-code; the format is internal to the tool and read off real files."""

    name = "claude-code"
    version = 2

    def context(self, path: str, first: Object | None = None) -> Context:
        """
        >>> ClaudeCode().context("-home-x/1b2c/subagents/agent-77.jsonl")
        Context(session_id='1b2c', subagent=True)
        """
        parts = path.split("/")
        stem = parts[-1].removesuffix(".jsonl")
        if "subagents" in parts[1:-1]:
            return Context(parts[parts.index("subagents", 1) - 1], True)
        return Context(stem, stem.startswith("agent-"))

    def sniff(self, first: Object) -> bool:
        if "parentUuid" in first and "message" in first:
            return "parts" not in dict_of(first.get("message"))
        return (
            ("sessionId" in first and text_of(first.get("type")) in BOOKKEEPING)
            or "leafUuid" in first
            or "snapshot" in first
        )

    def state(self) -> State:
        return ClaudeState()

    def matters(self, line: bytes) -> bool:
        return b'"user"' in line or b"queue" in line or b'"uuid"' not in line

    def read(self, obj: Object, file: Context, state: State, line_id: str) -> Reading:
        kind = text_of(obj.get("type"))
        aside = file.subagent or obj.get("isSidechain") is True
        queue = state.queue if isinstance(state, ClaudeState) else Queue()
        if kind == "assistant":
            items = _assistant(obj, aside)
        elif kind == "user":
            items = user.items(obj, aside)
        elif kind == "attachment":
            items = [] if aside else _attachment(obj, queue)
        elif kind == "queue-operation":
            items = _queue_operation(obj, queue)
        elif kind == "system":
            items = _system(obj)
        else:
            items = []
        return Reading(
            kind if kind in ("assistant", "user") or kind in BOOKKEEPING else unknown(kind),
            items,
            text_of(obj.get("uuid")),
            text_of(obj.get("timestamp")),
            text_of(obj.get("cwd")),
            kind,
        )


def _assistant(obj: Object, aside: bool) -> list[Item]:
    message = dict_of(obj.get("message"))
    synthetic = message.get("model") == "<synthetic>"
    items = []
    for number, block in enumerate(blocks_of(message.get("content"))):
        what, text = block.get("type"), text_of(block.get("text"))
        if what == "text" and synthetic:
            items.append(Item(Kind.ERROR, text, block=number))
        elif what == "text":
            items.append(Item(Kind.SUBAGENT_ANSWER if aside else Kind.ANSWER, text, block=number))
        elif what == "thinking" and (thought := text_of(block.get("thinking"))):
            items.append(Item(Kind.THINKING, thought, block=number))
        elif what == "tool_use":
            kind = Kind.SUBAGENT_CALL if aside else Kind.TOOL_CALL
            items.append(Item(kind, "", text_of(block.get("name")), arguments_of(block.get("input")), number))
    return items


def _attachment(obj: Object, queue: Queue) -> list[Item]:
    """A queued message as it was given to the running turn."""
    attachment = dict_of(obj.get("attachment"))
    if attachment.get("type") != "queued_command":
        return []
    text = joined(attachment.get("prompt")).strip()
    if not text:
        return []
    if attachment.get("commandMode") == "task-notification" or user.from_machine(text):
        return [Item(Kind.NOTIFICATION, text)]
    if queue.removed[text]:
        queue.removed[text] -= 1
        return []
    queue.attached[text] += 1
    return [Item(Kind.STEER, text)]


def _queue_operation(obj: Object, queue: Queue) -> list[Item]:
    """Enqueue names the words; how they leave the queue says what they became."""
    operation, text = obj.get("operation"), text_of(obj.get("content"))
    if operation == "enqueue":
        queue.waiting.append(text)
        del queue.waiting[:-MOST_WAITING]
        prompt = text.strip()
        return [Item(Kind.QUEUED, prompt)] if prompt and not user.from_machine(prompt) else []
    if operation == "popAll":
        queue.waiting.clear()
    elif operation == "dequeue":
        queue.take(text)
    elif operation == "remove":
        prompt = queue.take(text).strip()
        if not prompt or user.from_machine(prompt) or prompt.startswith("/"):
            return []
        if queue.attached[prompt]:
            queue.attached[prompt] -= 1
            return []
        queue.removed[prompt] += 1
        return [Item(Kind.STEER, prompt)]
    return []


def _system(obj: Object) -> list[Item]:
    """Newer versions write local commands and their output as system records."""
    text = text_of(obj.get("content"))
    if obj.get("subtype") != "local_command" or not text:
        return []
    if text.lstrip().startswith(("<command-name>", "<command-message>")):
        return [Item(Kind.LOCAL_COMMAND, user.command(text))]
    return [Item(Kind.LOCAL_OUTPUT, text)]
