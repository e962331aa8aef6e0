"""Kiro: lines of its CLI, documents of its IDE, rows of its classic database. Pure; read off real files."""

from __future__ import annotations

import re

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.messages.plain import titled
from mnemostream.services.watcher.formats.times import moment

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QUIET = frozenset({"Clear", "Compaction", "Metadata", "SessionStart", "SessionEnd"})


class Kiro(Messages):
    """`{version, kind, data}`; a document has `history`, of messages or of turns."""

    name = "kiro"

    def sniff(self, first: Object) -> bool:
        if "kind" in first and "data" in first and "version" in first:
            return True
        turns = first.get("history")
        return isinstance(turns, list) and bool({"workspacePath", "selectedModel", "conversation_id"} & first.keys())

    def exchange_id(self, opener: str, file: Context) -> str:
        """A fork begins with copies of its lines, IDs included, and names no session that they come from."""
        return f"{self.name}-{opener}" if UUID.fullmatch(opener) else super().exchange_id(opener, file)

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        if "kind" in obj and "data" in obj:
            return self._line(obj, file)
        if any("user" in dict_of(turn) for turn in list_of(obj.get("history"))):
            return Reading("document", [*titled(obj), *turns(obj, file)])
        return super().read(obj, file, state)

    def _line(self, obj: Object, file: Context) -> Reading:
        kind, data = text_of(obj.get("kind")), dict_of(obj.get("data"))
        content = data.get("content")
        said = Said(self.name, file.subagent)
        if kind == "Prompt":
            said.user(content)
        elif kind == "AssistantMessage":
            for block in map(dict_of, list_of(content)):
                inner = dict_of(block.get("data"))
                said.block({**inner, "type": text_of(block.get("kind"))} if inner else block)
        elif kind == "ToolResults":
            for block in map(dict_of, list_of(content)):
                inner = dict_of(block.get("data"))
                parts = [dict_of(part).get("data") for part in list_of(inner.get("content"))]
                said.result(parts, text_of(inner.get("toolUseId")))
        elif kind not in QUIET:
            return Reading(unknown(kind))
        when = moment(dict_of(data.get("meta")).get("timestamp"))
        return Reading(kind, said.items, text_of(data.get("message_id")), when, unknown=said.unknown)


def turns(obj: Object, file: Context) -> list[Item]:
    """The turns of a classic conversation: what was typed, or what tools gave, and what the assistant did."""
    items: list[Item] = []
    for number, turn in enumerate(map(dict_of, list_of(obj.get("history")))):
        user, assistant = dict_of(turn.get("user")), dict_of(turn.get("assistant"))
        content = dict_of(user.get("content"))
        said = Said("kiro", file.subagent)
        if prompt := dict_of(content.get("Prompt")):
            said.prompt(text_of(prompt.get("prompt")))
        for result in list_of(dict_of(content.get("ToolUseResults")).get("tool_use_results")):
            said.result(dict_of(result).get("content"), text_of(dict_of(result).get("tool_use_id")))
        told = dict_of(assistant.get("Response")) or dict_of(assistant.get("ToolUse"))
        said.answer(text_of(told.get("content")))
        said.calls(told.get("tool_uses"))
        when = moment(user.get("timestamp"))
        state = dict_of(dict_of(user.get("env_context")).get("env_state"))
        cwd = text_of(state.get("current_working_directory"))
        items += [
            msgspec.structs.replace(item, id=f"turn-{number}", timestamp=when, offset=number, cwd=cwd)
            for item in said.items
            if item.text or item.kind is not Kind.ANSWER
        ]
    return items
