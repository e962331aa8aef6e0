"""Rows that are messages: a role and content in columns, or a conversation as JSON in one. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item
from mnemostream.services.watcher.formats.messages import Messages
from mnemostream.services.watcher.formats.messages.plain import TIMED, numbered
from mnemostream.services.watcher.formats.rows.base import Row, RowFormat, Rows, decoded, named
from mnemostream.services.watcher.formats.times import moment

TITLES = ("title", "name", "description", "summary", "slug")
CONTENT = (
    "content_json",
    "content",
    "chat_message",
    "llm_data",
    "user_data",
    "text",
    "body",
    "parts",
    "data",
    "message",
)
WHOLE = ("value", "context", "conversation", "history", "messages")
"""Columns with a whole conversation as JSON."""


class MessageRows(RowFormat, Messages):
    """Goose, Hermes, Shelley, Forge, Piebald, Quick Desktop; beside their older files of messages."""

    documents = True

    def sniff(self, first: Object) -> bool:
        if "messages" in first:
            return "session_id" in first and ("platform" in first or "session_start" in first)
        return "working_dir" in first and "message_count" in first

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        when = next((told for key in (*TIMED, "updated_at") if (told := moment(row.values.get(key)))), "")
        for column in WHOLE:
            if items := self.conversation(row.json(column), row.key, file):
                return items, []
        inner = self._content(row)
        message = {**{key: value for key, value in row.values.items() if key != "id"}, **inner}
        for key in ("tool_calls",):
            message[key] = decoded(text_of(message.get(key)))
        known, said = self.message(message, file)
        if known:
            return named(said.items, f"{row.table}-{row.key}", when), said.unknown
        title = row.text(*TITLES)
        return ([Item(Kind.TITLE, title, id=f"title-{row.key}")] if title and "role" not in row.values else []), []

    def _content(self, row: Row) -> Object:
        """Content as JSON in a column: blocks, or a whole message."""
        for column in CONTENT:
            value: Any = decoded(row.text(column))
            if isinstance(value, list):
                return {"content": value}
            if isinstance(value, dict):
                inner = dict_of(value.get("message")) or value
                return {key.lower(): part for key, part in inner.items()}
        text = row.text(*CONTENT)
        return {"content": text} if text else {}

    def conversation(self, value: Any, key: str, file: Context) -> list[Item]:
        """The items of a conversation that stands in one column."""
        listing = next(
            (found for name in ("messages", "history") if (found := list_of(dict_of(value).get(name)))),
            list_of(value),
        )
        items: list[Item] = []
        for number, message in enumerate(map(dict_of, listing)):
            told, said = self.message(_unwrapped(message), file)
            if told:
                items += [
                    msgspec.structs.replace(item, id=f"{key}-{item.id}", offset=-1)
                    for item in numbered(said.items, message, number)
                ]
        return items


def _unwrapped(message: Object) -> Object:
    """A message of a tagged enum, `{"text": {"role": "User", …}}`, as one with a role."""
    if "role" in message or "message" in message:
        return {**message, "role": text_of(message.get("role")).lower()} if "role" in message else message
    inner = next((dict_of(value) for value in message.values() if "role" in dict_of(value)), {})
    return {**inner, "role": text_of(inner.get("role")).lower()} if inner else message
