"""Cursor: the log of its CLI, rows of its editor, blobs of a chat. Pure; read off real files.

| where | what |
|---|---|
| `agent-transcripts/…jsonl` | `role`, `message.content`; the words of a person are inside `<user_query>` |
| `composerData:<id>`, `bubbleId:<composer>:<bubble>` | a composer, its bubbles: `type` 1 = person, 2 = assistant |
| `composer.composerData`, `…aichat.chatdata` | before mid-2025: all composers, or tabs, of a workspace in one value |
| `blobs` of `store.db` | a message each, as JSON; the nodes that name their order are protobuf |
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.messages.blocks import first
from mnemostream.services.watcher.formats.rows.base import Row, Rows, decoded, named
from mnemostream.services.watcher.formats.rows.generic import MessageRows
from mnemostream.services.watcher.formats.times import moment

PERSON, ASSISTANT = (1, "user"), (2, "ai", "assistant")


class Cursor(MessageRows):
    """All of it."""

    name = "cursor"
    documents = False

    def context(self, path: str, first: Object | None = None) -> Context:
        return self.row_context(dict_of(first)) or Context(
            path.rsplit("/", 1)[-1].rsplit(".", 1)[0], "subagents" in path.split("/")
        )

    def sniff(self, first: Object) -> bool:
        return "role" in first and "content" in dict_of(first.get("message")) and "type" not in first

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        if row.table == "blobs":
            return self._blob(row, file)
        if row.table not in ("cursorDiskKV", "ItemTable"):
            return [], []
        value = decoded(_text(row.first("value")))
        kind, _, rest = row.key.partition(":")
        if kind == "bubbleId":
            return bubble(dict_of(value), rest.rpartition(":")[2], file)
        if kind == "composerData":
            return self._composer(dict_of(value), file)
        if isinstance(value, dict) and ("conversation" in value or "bubbles" in value):
            return self._composer(value, file)
        return [], []

    def _composer(self, value: Object, file: Context) -> tuple[list[Item], list[str]]:
        """A composer: its title, and its bubbles where they stand within."""
        title = text_of(first(value, ("name", "chatTitle")))
        items = [Item(Kind.TITLE, title, id="title")] if title else []
        odd: list[str] = []
        when = moment(first(value, ("createdAt", "lastSendTime")))
        for number, part in enumerate(map(dict_of, list_of(first(value, ("conversation", "bubbles"))))):
            name = text_of(first(part, ("bubbleId", "id"))) or f"bubble-{number}"
            told, strange = bubble(part, name, file)
            items += named(told, name, when)
            odd += strange
        return items, odd

    def _blob(self, row: Row, file: Context) -> tuple[list[Item], list[str]]:
        message = decoded(_text(row.first("data")))
        if not isinstance(message, dict):
            return [], []  # a node of the tree
        told, said = self.message(message, file)
        return (named(said.items, row.key, "") if told else []), said.unknown


def bubble(value: Object, name: str, file: Context) -> tuple[list[Item], list[str]]:
    """One bubble. Most are calls of tools, or thoughts, and have no text."""
    said = Said("cursor", file.subagent)
    kind = value.get("type")
    if kind in PERSON:
        said.prompt(text_of(value.get("text")))
    elif kind in ASSISTANT:
        said.thought(text_of(dict_of(value.get("thinking")).get("text")))
        said.answer(text_of(first(value, ("text", "rawText"))))
        if tool := dict_of(value.get("toolFormerData")):
            said.call(tool.get("name"), first(tool, ("rawArgs", "params")))
            if tool.get("result"):
                said.result(output_of(tool.get("result")), text_of(tool.get("toolCallId")))
    elif value:
        said.unknown.append(f"bubble={kind}")
    return named(said.items, name, moment(value.get("createdAt"))), said.unknown


def _text(value: object) -> str:
    """Values are texts, or texts in a column for bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text_of(value)
