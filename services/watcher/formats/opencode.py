"""OpenCode exports: one pretty-printed JSON object a session, to records. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_text
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    blocks_of,
    dict_of,
    joined,
    list_of,
    output_of,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown


class OpenCode(Format):
    """https://opencode.ai/docs/cli (`opencode export`); read off real files."""

    name = "opencode"
    documents = True

    def context(self, path: str, first: Object | None = None) -> Context:
        info = dict_of(dict_of(first).get("info"))
        return Context(text_of(info.get("id")) or super().context(path).session_id, bool(info.get("parentID")))

    def sniff(self, first: Object) -> bool:
        return "info" in first and "messages" in first

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        if not self.sniff(obj):
            return Reading(unknown(obj.get("type")))
        state.cwd = text_of(dict_of(obj.get("info")).get("directory"))
        parent = text_of(dict_of(dict_of(obj.get("info")).get("fork")).get("sessionID"))
        items = [Item(Kind.FORK, parent, id="fork", offset=0)] if parent else []
        if title := text_of(dict_of(obj.get("info")).get("title")):
            items.append(Item(Kind.TITLE, title, id="title", offset=0))
        for number, message in enumerate(map(dict_of, list_of(obj.get("messages")))):
            items += _message(message, number, file)
        return Reading("document", items)


def _message(message: Object, number: int, file: Context) -> list[Item]:
    info = dict_of(message.get("info"))
    role = text_of(info.get("role"))
    parts = blocks_of(message.get("parts"))
    name, when = text_of(info.get("id")) or f"message-{number}", _moment(dict_of(info.get("time")).get("created"))
    cwd = text_of(dict_of(info.get("path")).get("cwd"))
    entries: list[tuple[Kind, str, str, str]] = []
    if role == "user":
        typed = [part for part in parts if part.get("type", "text") == "text" and not part.get("synthetic")]
        words = unwrapped(joined(typed), "opencode")
        prompt = Kind.SUBAGENT_PROMPT if file.subagent else Kind.PROMPT
        entries.append((prompt if of_text(words.text, "opencode").person else Kind.INJECTED, words.text, "", ""))
        entries += [(Kind.INJECTED, words.context, "", "")] if words.context else []
        entries += [(Kind.INJECTED, text_of(p.get("text")), "", "") for p in parts if p.get("synthetic")]
    else:
        for part in parts:
            entries += _part(part, file)
        if error := dict_of(info.get("error")):
            entries.append((Kind.ERROR, text_of(dict_of(error.get("data")).get("message")), "", ""))
    return [
        Item(kind, text, tool, args, block, name, when, cwd, role, number)
        for block, (kind, text, tool, args) in enumerate(entries)
    ]


def _part(part: Object, file: Context) -> list[tuple[Kind, str, str, str]]:
    kind, text = part.get("type"), text_of(part.get("text"))
    if kind == "text" and text:
        return [(Kind.SUBAGENT_ANSWER if file.subagent else Kind.ANSWER, text, "", "")]
    if kind == "reasoning" and text:
        return [(Kind.THINKING, text, "", "")]
    if kind == "tool":
        state = dict_of(part.get("state"))
        call = Kind.SUBAGENT_CALL if file.subagent else Kind.TOOL_CALL
        return [
            (call, "", text_of(part.get("tool")), arguments_of(state.get("input"))),
            (Kind.TOOL_RESULT, output_of(state.get("output") or state.get("error")), text_of(part.get("callID")), ""),
        ]
    return []


def _moment(milliseconds: object) -> str:
    """ISO 8601 of a Unix time in ms; "" for anything else."""
    if not isinstance(milliseconds, (int, float)) or not 0 < milliseconds < 1e14:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
