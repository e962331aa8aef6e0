"""Databases that hold documents or lines of another dialect: OpenClaw, Kiro, Zed, Antigravity, Devin, Omnigent, Warp.
Pure."""

from __future__ import annotations

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.runtime.disk import packed
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item
from mnemostream.services.watcher.formats.documents.atif import Atif
from mnemostream.services.watcher.formats.logs.antigravity import Antigravity
from mnemostream.services.watcher.formats.logs.items import Items, said_by
from mnemostream.services.watcher.formats.logs.kiro import Kiro, turns
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.pi import Pi
from mnemostream.services.watcher.formats.rows.base import Row, RowFormat, Rows, RowsOnly, decoded, named
from mnemostream.services.watcher.formats.rows.generic import MessageRows
from mnemostream.services.watcher.formats.times import moment

MOST_THREAD = 64 << 20
"""Bytes of a compressed thread that are read."""


class PiRows(RowFormat, Pi):
    """OpenClaw since 2026.8: the lines of its logs, a row each."""

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        event = row.json("event_json")
        if not isinstance(event, dict):
            return [], []
        reading = Pi.read(self, event, file, state)
        name = reading.id or f"event-{row.key}"
        return named(reading.items, name, reading.timestamp), list(reading.unknown)


class KiroRows(RowFormat, Kiro):
    """The classic database of Kiro CLI and of Amazon Q: a conversation a row."""

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        state.cwd = row.text("key") or state.cwd
        items = turns(dict_of(row.json("value")), file)
        return [msgspec.structs.replace(item, offset=-1) for item in items], []


class AntigravityRows(RowFormat, Antigravity):
    """A small database a chat; its payloads are protobuf of no published schema, and the log says the same."""

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        return [], []


class AtifRows(MessageRows, Atif):
    """Devin CLI: rows of nodes, beside documents in ATIF."""

    def sniff(self, first: Object) -> bool:
        return Atif.sniff(self, first)


class ItemRows(RowFormat, Items):
    """Omnigent: an item of a response a row."""

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        if row.table != "items":
            title = row.text("title", "name")
            return ([Item(Kind.TITLE, title, id="title")] if title else []), []
        item = {**dict_of(row.json("data", "payload", "content")), "type": row.text("type", "kind")}
        kind, said = said_by(item, self.name, file)
        odd = said.unknown if kind else [f"item={text_of(item.get('type'))[:40]}"]
        return named(said.items, f"item-{row.key}", moment(row.first("created_at"))), odd


class Warp(RowFormat, RowsOnly):
    """Questions to Warp's agent; its answers are not stored as text."""

    name = "warp"

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        if row.table != "ai_queries":
            return [], []
        said = Said(self.name)
        for entry in map(dict_of, list_of(row.json("input"))):
            said.prompt(text_of(dict_of(entry.get("Query")).get("text")))
        state.cwd = row.text("working_directory") or state.cwd
        return named(said.items, f"query-{row.key}", moment(row.first("start_ts"))), []


class Zed(RowFormat, RowsOnly):
    """A thread a row, compressed, written again as a whole. https://github.com/zed-industries/zed, crates/agent."""

    name = "zed"

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        thread = dict_of(decoded(_body(row)))
        title = text_of(thread.get("title")) or row.text("summary")
        items = [Item(Kind.TITLE, title, id="title")] if title else []
        odd: list[str] = []
        for number, message in enumerate(list_of(thread.get("messages"))):
            said = _zed_message(message, file)
            odd += said.unknown
            items += named(said.items, f"message-{number}", "")
        return items, odd


def _body(row: Row) -> str:
    data = row.first("data")
    if isinstance(data, bytes) and row.text("data_type") == "zstd":
        try:
            data = packed.content(data, MOST_THREAD)
        except packed.Damaged:
            return ""
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else text_of(data)


def _zed_message(message: object, file: Context) -> Said:
    said = Said("zed", file.subagent)
    obj = dict_of(message)
    if user := dict_of(obj.get("User")):
        said.user(user.get("content"))
    elif agent := dict_of(obj.get("Agent")):
        said.assistant(agent.get("content"))
        for call, result in dict_of(agent.get("tool_results")).items():
            said.result(output_of(dict_of(result).get("content")), call)
    elif obj.get("role") == "user":
        said.user(obj.get("segments"))
    elif obj.get("role") == "assistant":
        said.assistant(obj.get("segments"))
        said.calls(obj.get("tool_uses"))
        for result in map(dict_of, list_of(obj.get("tool_results"))):
            said.result(result.get("content"), text_of(result.get("tool_use_id")))
    elif message != "Resume":
        said.unknown.append("message=no_role")
    return said
