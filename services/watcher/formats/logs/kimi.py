"""Kimi CLI, Kimi Code, Kimi Work: events of an agent's loop, one a line (`wire.jsonl`). Pure; read off real files."""

from __future__ import annotations

from mnemostream.services.watcher.authorship.texts import Object, dict_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.times import moment

QUIET = frozenset({"step.begin", "step.end", "llm.request", "llm.response", "turn.begin", "turn.end"})


class Kimi(Format):
    """`context.append_message` and `context.append_loop_event`; the rest is bookkeeping."""

    name = "kimi"

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        if "agents" in parts[1:]:
            at = parts.index("agents")
            return Context(parts[at - 1], parts[at + 1 : at + 2] != ["main"])
        return Context(parts[-2] if len(parts) > 1 else super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        return "protocol_version" in first or text_of(first.get("type")).startswith("context.append_")

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        said = Said(self.name, file.subagent)
        name = ""
        if kind == "context.append_message":
            message = dict_of(obj.get("message"))
            role = text_of(message.get("role"))
            origin = text_of(dict_of(message.get("origin")).get("kind"))
            if role == "user":
                said.user(message.get("content"), injected=origin not in ("", "user"))
            elif role == "assistant":
                said.assistant(message.get("content"))
                said.calls(message.get("toolCalls"))
            elif role == "tool":
                said.result(message.get("content"), text_of(message.get("toolCallId")))
            else:
                said.unknown.append(f"role={role[:40]}")
        elif kind == "context.append_loop_event":
            event = dict_of(obj.get("event"))
            name = text_of(event.get("uuid"))
            kind = _event(event, said)
        elif not kind:
            return Reading(unknown(kind))
        return Reading(kind, said.items, name, moment(obj.get("time")), unknown=said.unknown)


def _event(event: Object, said: Said) -> str:
    """One event of the loop; the name under which it is counted."""
    kind = text_of(event.get("type"))
    if kind == "content.part":
        said.block(dict_of(event.get("part")))
    elif kind == "tool.call":
        said.call(event.get("name") or event.get("toolName"), event.get("args") or event.get("input"))
    elif kind == "tool.result":
        output = next((event[key] for key in ("result", "output", "content") if event.get(key) is not None), None)
        said.result(output, text_of(event.get("toolCallId")))
    elif kind not in QUIET:
        return unknown(f"event/{kind}")
    return f"event/{kind}"
