"""Grok Build: the updates of a session (`updates.jsonl`, the record) or the history that is derived from it
(`chat_history.jsonl`, without times). Pure; read off real files."""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.times import moment

CHUNKS = {
    "user_message_chunk": Kind.PROMPT,
    "agent_message_chunk": Kind.ANSWER,
    "agent_thought_chunk": Kind.THINKING,
}
QUIET = frozenset({"turn_completed", "plan", "available_commands_update", "current_mode_update", "usage_update"})


class Turn(State):
    """The message whose pieces arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = ""
        self.text = ""
        self.number = 0
        self.pieces = 0
        self.unit = ""
        self.when = ""


class Grok(Messages):
    """Both files; https://agentclientprotocol.com for the updates."""

    name = "grok"
    documents = False

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        return Context(parts[-2] if len(parts) > 1 else parts[-1].rsplit(".", 1)[0], "subagent" in parts[:-1])

    def sniff(self, first: Object) -> bool:
        update = dict_of(dict_of(first.get("params")).get("update"))
        marked = {"synthetic_reason", "prompt_index", "model_fingerprint"} & first.keys()
        return "sessionUpdate" in update or (first.get("type") in ("user", "assistant") and bool(marked))

    def state(self) -> State:
        return Turn()

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        update = dict_of(dict_of(obj.get("params")).get("update"))
        if update and isinstance(state, Turn):
            return self._update(update, moment(obj.get("timestamp")), state, file)
        kind = text_of(obj.get("type"))
        said = Said(self.name, file.subagent)
        if kind == "user":
            said.user(obj.get("content"), injected=obj.get("synthetic_reason") not in (None, "interjection"))
        elif kind == "backend_tool_call":
            call = dict_of(obj.get("kind"))
            said.call(call.get("tool_type"), call.get("action"))
        elif kind == "reasoning":
            said.block(obj)
        elif kind == "tool_result":
            said.result(obj.get("content"), text_of(obj.get("tool_call_id")))
        else:
            return self.line({**obj, "role": obj.get("role") or kind}, file)
        return Reading(kind, said.items, unknown=said.unknown)

    def flush(self, file: Context, state: State) -> Reading:
        return Reading("open", _whole(state)) if isinstance(state, Turn) else Reading("open")

    def _update(self, update: Object, when: str, state: Turn, file: Context) -> Reading:
        kind = text_of(update.get("sessionUpdate"))
        text = joined(update.get("content"))
        if kind in CHUNKS and kind == state.kind:
            state.text += text
            state.pieces += 1
            return Reading(kind)
        items = _whole(state)
        state.kind = ""
        if kind in CHUNKS:
            what = CHUNKS[kind]
            state.number += 1
            name = f"message-{state.number}"
            state.unit = self.exchange_id(name, file) if what is Kind.PROMPT else ""
            state.kind, state.text, state.pieces, state.when = kind, text, 0, when
            items.append(Item(what, text, id=name, timestamp=when))
        elif kind in ("tool_call", "tool_call_update"):
            name = text_of(update.get("toolCallId"))
            said = Said(self.name, file.subagent)
            if kind == "tool_call":
                said.call(update.get("title") or update.get("kind"), update.get("rawInput"))
            elif update.get("status") in ("completed", "failed"):
                said.result(update.get("content") or update.get("rawOutput"), name)
            items += said.items
        elif kind not in QUIET:
            return Reading(unknown(kind), items, timestamp=when)
        return Reading(kind, items, timestamp=when)


def _whole(state: Turn) -> list[Item]:
    """The message, if pieces of it came after the first one."""
    if not state.kind or not state.pieces:
        return []
    what, name = CHUNKS[state.kind], f"message-{state.number}"
    return [Item(what, state.text, id=name, timestamp=state.when, revision=state.pieces, exchange=state.unit)]
