"""Droid (Factory): its session store, and `droid exec --output-format stream-json`. Pure; read off real files."""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.times import moment

QUIET = frozenset({"system", "todo_state", "session_end"})


class Droid(Messages):
    """`session_start`, then messages with Anthropic's blocks."""

    name = "droid"
    documents = False

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(first)
        told = obj.get("id") if obj.get("type") == "session_start" else obj.get("session_id") or obj.get("sessionId")
        return Context(text_of(told) or super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        kind = first.get("type")
        if kind == "system" and "model" in first and "uuid" not in first:
            return True
        stored = kind == "session_start" or (kind == "message" and "role" in dict_of(first.get("message")))
        return (stored and "owner" in first) or (kind == "message" and "role" in first and "text" in first)

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        said = Said(self.name, file.subagent)
        if kind == "session_start":
            state.cwd = text_of(obj.get("cwd"))
            title = text_of(obj.get("sessionTitle") or obj.get("title"))
            return Reading(kind, [Item(Kind.TITLE, title, id="title")] if title else [], cwd=state.cwd)
        if kind == "message":
            return self.line(obj, file)
        if kind == "tool_call":
            said.call(obj.get("toolName") or obj.get("toolId"), obj.get("parameters"))
        elif kind == "tool_result":
            said.result(obj.get("value"), text_of(obj.get("toolCallId") or obj.get("id")))
        elif kind == "completion":
            said.answer(text_of(obj.get("finalText")))
        elif kind == "error":
            said.add(Kind.ERROR, output_of(obj.get("message")))
        elif kind == "compaction_state":
            said.add(Kind.SUMMARY, text_of(obj.get("summaryText")))
        elif kind in QUIET:
            state.cwd = text_of(obj.get("cwd")) or state.cwd
        else:
            return Reading(unknown(kind))
        return Reading(kind, said.items, "", moment(obj.get("timestamp")), state.cwd)
