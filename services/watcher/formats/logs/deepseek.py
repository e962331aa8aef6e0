"""DeepSeek Harness: the events of a session. Pure; read off real files."""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.times import moment


class DeepSeek(Format):
    """`user/message`, `assistant/message`, `tool/call`, `tool/result`; chunks repeat what the messages say."""

    name = "deepseek-harness"

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(first)
        told = text_of(obj.get("id")) if obj.get("type") == "session" else ""
        return Context(told or super().context(path).session_id, bool(obj.get("delegationDepth")))

    def sniff(self, first: Object) -> bool:
        if first.get("type") == "session":
            return "delegationDepth" in first or "createdAt" in first
        return "/" in text_of(first.get("type")) and "seq" in first

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        data = dict_of(obj.get("data"))
        said = Said(self.name, file.subagent)
        if kind == "session":
            state.cwd = text_of(obj.get("cwd"))
        elif kind == "session/title":
            title = text_of(data.get("title"))
            return Reading(kind, [Item(Kind.TITLE, title)] if title else [], timestamp=moment(obj.get("time")))
        elif kind == "user/message":
            said.user(data.get("content"), injected=dict_of(data.get("source")).get("kind") != "user")
        elif kind == "assistant/message":
            said.assistant([b for b in _content(data) if "call" not in text_of(dict_of(b).get("type"))])
        elif kind == "tool/call":
            said.call(data.get("name"), data.get("arguments"))
        elif kind == "tool/result":
            said.assistant(_content(data))
        elif "/" not in kind and not kind.endswith("-chunks"):
            return Reading(unknown(kind))
        name = text_of(data.get("id")) if kind == "user/message" else ""
        return Reading(kind, said.items, name, moment(obj.get("time")), state.cwd, unknown=said.unknown)


def _content(data: Object) -> list[Object]:
    content = dict_of(data.get("message")).get("content")
    return content if isinstance(content, list) else [{"type": "text", "text": text_of(content)}]
