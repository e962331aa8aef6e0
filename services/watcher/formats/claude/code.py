"""Claude Code transcripts: one JSON object a line, to records. Pure; format notes in docs/formats.md.

An exchange ends at the next opener or at the end of the file; the order of the file decides, never the
timestamps. What the human typed while the assistant worked stands in the queue, see `Queue`.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_claude
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    blocks_of,
    content_of,
    dict_of,
    joined,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.claude import user
from mnemostream.services.watcher.formats.claude.memory import MOST_WAITING, ClaudeState, Queue
from mnemostream.services.watcher.formats.claude.replies import QUESTIONS

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


TITLES = {"ai-title": "aiTitle", "custom-title": "customTitle", "summary": "summary"}
"""Lines that name a session, and the field with its title."""
QUIET = {kind: Reading(kind) for kind in BOOKKEEPING - {"attachment", "queue-operation", "system", *TITLES}}
KNOWN = BOOKKEEPING | {"assistant", "user"}


class ClaudeCode(Format):
    """https://docs.claude.com/en/docs/claude-code; the format is internal to the tool and read off real files."""

    name = "claude-code"
    unique_ids = True

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

    def matters(self, line: bytes, state: State) -> bool:
        return b'"message"' in line or b"queue" in line or b'"uuid"' not in line

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = obj.get("type")
        if isinstance(kind, str) and kind in QUIET:  # most lines: nothing is said
            return QUIET[kind]
        memory = state if isinstance(state, ClaudeState) else ClaudeState()
        forked = obj.get("forkedFrom")
        # a fork may give new ids to what it copies; it names the first one
        uuid, strange = text_of(forked and dict_of(forked).get("messageUuid")) or text_of(obj.get("uuid")), ""
        aside = file.subagent or obj.get("isSidechain") is True
        if kind == "assistant":
            items = _assistant(obj, aside, uuid, memory)
        elif kind == "user":
            said = user.items(obj, aside, memory)
            items, strange = said.items, said.unknown
        elif kind == "attachment":
            items = [] if aside else _attachment(obj, memory.queue)
        elif kind == "queue-operation":
            items = _queue_operation(obj, memory.queue)
        elif kind == "system":
            items = _system(obj)
        elif isinstance(kind, str) and kind in TITLES:
            items = _title(obj, kind)
        else:
            items = []
        if forked:
            items = _fork(forked, file, memory) + items
        kind = text_of(kind)
        return Reading(
            kind if kind in KNOWN else unknown(kind),
            items,
            uuid,
            text_of(obj.get("timestamp")),
            text_of(obj.get("cwd")),
            kind,
            [f"{witness}@{text_of(obj.get('version'))[:40]}" for witness in strange.split(" ")] if strange else (),
        )


def _title(obj: Object, kind: str) -> list[Item]:
    """A title; that of a `summary` is of the session that holds its leaf, which may be another one."""
    text = text_of(obj.get(TITLES[kind]))
    return [Item(Kind.TITLE, text, text_of(obj.get("leafUuid")), role=kind)] if text else []


def _fork(forked: object, file: Context, memory: ClaudeState) -> list[Item]:
    """The session whose history this one began with, as `forkedFrom` names it."""
    parent = text_of(dict_of(forked).get("sessionId"))
    if memory.forked or not parent or parent == file.session_id:
        return []
    memory.forked = True
    return [Item(Kind.FORK, parent, block=99)]


def _assistant(obj: Object, aside: bool, uuid: str, memory: ClaudeState) -> list[Item]:
    message = obj.get("message")
    fields = dict_of(message)
    items, calls = [], []
    for number, block in enumerate(blocks_of(content_of(message))):
        what, call = block.get("type", "text"), ""
        if what == "tool_use":
            call, name = text_of(block.get("id")), text_of(block.get("name"))
            if name == QUESTIONS:
                memory.ask(call)
            kind = Kind.SUBAGENT_CALL if aside else Kind.TOOL_CALL
            item = Item(kind, "", name, arguments_of(block.get("input")), number)
        elif what == "text":
            kind = Kind.SUBAGENT_ANSWER if aside else Kind.ANSWER
            if fields.get("model") == "<synthetic>":
                kind = Kind.ERROR
            item = Item(kind, text_of(block.get("text")), block=number)
        elif what == "thinking" and (thought := text_of(block.get("thinking"))):
            item = Item(Kind.THINKING, thought, block=number)
        else:
            continue
        items.append(item)
        calls.append(call)
    return memory.message.take(text_of(fields.get("id")), uuid, items, memory.exchange, calls)


def _attachment(obj: Object, queue: Queue) -> list[Item]:
    """A queued message as it was given to the running turn."""
    attachment = dict_of(obj.get("attachment"))
    if attachment.get("type") != "queued_command":
        return []
    text = unwrapped(joined(attachment.get("prompt")), "claude-code").text
    if not text:
        return []
    if attachment.get("commandMode") == "task-notification" or not of_claude(attachment, text).person:
        return [Item(Kind.NOTIFICATION, text)]
    if queue.removed[text]:
        queue.removed[text] -= 1
        return []
    queue.attached[text] += 1
    return [Item(Kind.STEER, text)]


def _queue_operation(obj: Object, queue: Queue) -> list[Item]:
    """Enqueue names the words; how they leave the queue says what they became."""
    operation, text = obj.get("operation"), unwrapped(joined(obj.get("content")), "claude-code").text
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
    text = joined(obj.get("content"))
    if obj.get("subtype") != "local_command" or not text:
        return []
    if text.lstrip().startswith(("<command-name>", "<command-message>")):
        return [Item(Kind.LOCAL_COMMAND, user.command(text))]
    return [Item(Kind.LOCAL_OUTPUT, text)]
