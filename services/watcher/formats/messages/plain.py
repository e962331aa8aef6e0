"""Assistants that write messages: one a line, or all of them in a document. Pure; docs/formats.md."""

from __future__ import annotations

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, list_of, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.lines import LIST
from mnemostream.services.watcher.formats.messages.blocks import Said, first
from mnemostream.services.watcher.formats.times import moment

LISTINGS = (
    LIST, "messages", "history", "chatMessages", "conversation", "turns", "chat_history", "chatHistory", "exchanges",
)  # fmt: skip
"""Where a document has its messages."""
ROLES = {
    "user": "user", "human": "user", "person": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "agent": "assistant", "bot": "assistant",
    "tool": "tool", "function": "tool", "toolResult": "tool", "tool_result": "tool",
    "system": "system", "developer": "system",
}  # fmt: skip
NAMED = ("id", "uuid", "message_id", "messageId", "msg_id", "requestId", "request_id")
TIMED = ("timestamp", "created_at", "createdAt", "created", "ts", "time", "sentAt", "created_timestamp")
SESSIONS = ("sessionId", "session_id", "conversation_id", "conversationId", "id", "uuid")
FOLDERS = ("cwd", "workspaceDirectory", "workspacePath", "working_dir", "workingDirectory", "workingDir", "directory")
OTHERS = frozenset({"uuid", "parentUuid", "sessionId", "payload"})
INJECTED = ("synthetic", "injected", "isMeta", "is_meta", "isSynthetic", "hide", "hidden")
"""Fields that are true of what a program has written in the user's role."""


class Messages(Format):
    """Roles and content. Other dialects say what is different in theirs."""

    name = "messages"
    documents = True

    def context(self, path: str, first_: Object | None = None) -> Context:
        obj = dict_of(first_)
        documented = _listing(obj) is not None
        found = text_of(first(obj, SESSIONS)) if documented or "sessionId" in obj or "session_id" in obj else ""
        return Context(found or _named_by(path), "/subagents/" in f"/{path}")

    def sniff(self, first: Object) -> bool:
        """Lines that name more than a message are those of others: nobody's are Claude Code's."""
        if OTHERS & first.keys() and "type" in first:
            return False
        listing = _listing(first)
        return _is_message(first) or bool(listing and any(_is_message(dict_of(one)) for one in listing[:4]))

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        state.cwd = _folder(obj) or state.cwd
        listing = _listing(obj)
        if listing is None:
            return self.line(obj, file)
        items = titled(obj)
        odd: list[str] = []
        for number, message in enumerate(map(dict_of, listing)):
            told, said = self.message(message, file)
            odd += said.unknown if told else [f"message={text_of(message.get('role'))[:40] or 'no_role'}"]
            items += numbered(said.items, message, number)
        return Reading("document", items, unknown=odd)

    def line(self, obj: Object, file: Context) -> Reading:
        """What one message of a log says."""
        told, said = self.message(obj, file)
        if not told:
            return Reading(
                unknown(obj.get("type") or obj.get("role")) if not _is_header(obj) else "header", titled(obj)
            )
        inner = dict_of(obj.get("message"))
        return Reading(
            f"message/{role_of(obj)}",
            said.items,
            _name(obj),
            time_of(obj) or time_of(inner),
            _folder(obj),
            role_of(obj),
            said.unknown,
        )

    def message(self, message: Object, file: Context) -> tuple[bool, Said]:
        """True, and what a message says; False for what is none."""
        said = Said(self.name, file.subagent)
        if "request_message" in message or "exchange" in message:
            return _exchange(dict_of(message.get("exchange")) or message, said)
        inner = {**message, **dict_of(message.get("message"))}
        role = role_of(message)
        content = first(inner, ("content", "parts", "text", "blocks", "value"))
        if role == "user":
            said.user(content, injected=any(inner.get(key) is True for key in INJECTED))
        elif role == "assistant":
            said.thought(text_of(first(inner, ("reasoning_content", "reasoning", "thinking"))))
            said.assistant(content)
            said.calls(inner.get("tool_calls") or inner.get("toolCalls"))
            said.calls([state.get("toolCall") for state in map(dict_of, list_of(inner.get("toolCallStates")))])
        elif role == "tool":
            said.result(content, text_of(first(inner, ("tool_call_id", "toolCallId", "name"))))
        elif role == "system":
            _system(content, said)
        else:
            return False, said
        return True, said


def _exchange(pair: Object, said: Said) -> tuple[bool, Said]:
    """A question and its answer in one entry."""
    said.prompt(joined(pair.get("request_message")))
    said.answer(joined(pair.get("response_text")))
    for node in map(dict_of, list_of(pair.get("response_nodes"))):
        if use := dict_of(node.get("tool_use")):
            said.call(first(use, ("tool_name", "name")), first(use, ("input_json", "input")))
    return True, said


def _system(content: object, said: Said) -> None:
    """Instructions; some put the results of tools here."""
    blocks = [b for b in list_of(content) if "result" in text_of(dict_of(b).get("type"))]
    for block in map(dict_of, blocks):
        said.block(block)
    if not blocks:
        said.add(Kind.INJECTED, joined(content) or output_of(content))


def numbered(items: list[Item], message: Object, number: int) -> list[Item]:
    """The items of the message with this number in a document."""
    inner = dict_of(message.get("message"))
    name = _name(message) or _name(inner) or f"message-{number}"
    when = time_of(message) or time_of(inner)
    return [
        msgspec.structs.replace(item, id=name, timestamp=when, role=role_of(message), offset=number) for item in items
    ]


def titled(obj: Object) -> list[Item]:
    """The title of a session."""
    title = text_of(first(obj, ("title", "customTitle", "summary", "name"))).strip()
    session = text_of(first(obj, SESSIONS))
    return [Item(Kind.TITLE, title, id="title", offset=0)] if title and title != session else []


def role_of(message: Object) -> str:
    """The role of a message, in the words of one interface; "" = it has none."""
    inner = dict_of(message.get("message"))
    told = first(message, ("role", "sender", "author", "speaker")) or inner.get("role") or message.get("type")
    return ROLES.get(text_of(told), "")


def time_of(message: Object) -> str:
    """The time of a message."""
    found = next((when for key in TIMED if (when := moment(message.get(key)))), "")
    meta = dict_of(message.get("meta")) or dict_of(message.get("metadata"))
    posit = dict_of(dict_of(dict_of(message.get("providerOptions")).get("providerMetadata")).get("positai"))
    return found or next((when for key in TIMED if (when := moment(meta.get(key) or posit.get(key)))), "")


def _name(message: Object) -> str:
    found = first(message, NAMED)
    return f"message-{found}" if isinstance(found, int) and not isinstance(found, bool) else text_of(found)


def _folder(obj: Object) -> str:
    trees = list_of(dict_of(dict_of(obj.get("env")).get("initial")).get("trees"))
    tree = text_of(dict_of(trees[0]).get("uri")).removeprefix("file://") if trees else ""
    return text_of(first(obj, FOLDERS)) or text_of(dict_of(obj.get("model_config")).get("cwd")) or tree


def _listing(obj: Object) -> list[Object] | None:
    """The messages of a document; None for anything else."""
    memory = dict_of(dict_of(obj.get("agent")).get("memory")).get("content")
    if isinstance(memory, list):  # pairs of a message and its marks
        return [dict_of(pair[0] if isinstance(pair, list) and pair else pair) for pair in memory]
    for key in LISTINGS:
        if isinstance(obj.get(key), list):
            return [dict_of(one) for one in obj[key]]
    return None


def _is_message(obj: Object) -> bool:
    inner = dict_of(obj.get("message")) or obj
    said = {"content", "parts", "text", "tool_calls", "blocks", "request_message"} & inner.keys()
    return bool(said) and ("request_message" in inner or text_of(obj.get("role") or inner.get("role")) in ROLES)


def _is_header(obj: Object) -> bool:
    """The first line of some logs: facts of the session."""
    return bool({"session_id", "working_dir", "metadata"} & obj.keys()) and "role" not in obj


def _named_by(path: str) -> str:
    """The session of a file that lies alone in its folder is the folder."""
    folders, _, name = path.rpartition("/")
    stem = name.rsplit(".", 1)[0]
    alone = stem in ("messages", "conversation", "chat", "lm-messages", "checkpoint", "transcript", "chat-messages")
    return folders.rpartition("/")[2] if alone and folders else stem.removesuffix(".messages").removesuffix(".history")
