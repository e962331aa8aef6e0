"""OpenCode and its relatives: rows of its database, exports, and the folders of small files before 1.2. Pure."""

from __future__ import annotations

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
from mnemostream.services.watcher.formats.rows.base import Row, RowFormat, Rows, named
from mnemostream.services.watcher.formats.times import moment


class OpenCodeFiles(Format):
    """https://opencode.ai/docs/cli (`opencode export`), packages/opencode/src/session; read off real files.

    A part says what a message holds: which role, the message says, in another row or file.
    """

    name = "opencode"
    documents = True

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(first)
        info = dict_of(obj.get("info"))
        told = text_of(info.get("id")) or text_of(obj.get("sessionID"))
        stem = super().context(path).session_id
        return Context(told or stem, bool(info.get("parentID") or obj.get("parentID")))

    def sniff(self, first: Object) -> bool:
        if "info" in first and "messages" in first:
            return True
        return text_of(first.get("id"))[:4] in ("ses_", "msg_", "prt_") and (
            "sessionID" in first or "projectID" in first
        )

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        if "info" in obj and "messages" in obj:
            return self._export(obj, file, state)
        if not self.sniff(obj):
            return Reading(unknown(obj.get("type")))
        return self._file(obj, file, state)

    def _export(self, obj: Object, file: Context, state: State) -> Reading:
        state.cwd = text_of(dict_of(obj.get("info")).get("directory"))
        parent = text_of(dict_of(dict_of(obj.get("info")).get("fork")).get("sessionID"))
        items = [Item(Kind.FORK, parent, id="fork", offset=0)] if parent else []
        if title := text_of(dict_of(obj.get("info")).get("title")):
            items.append(Item(Kind.TITLE, title, id="title", offset=0))
        for number, message in enumerate(map(dict_of, list_of(obj.get("messages")))):
            items += _message(message, number, file)
        return Reading("document", items)

    def _file(self, obj: Object, file: Context, state: State) -> Reading:
        """One file of the folder that held a session before 1.2; who wrote a part stands in another one: texts that a
        program made are marked, and only the assistant's have a time."""
        name = text_of(obj.get("id"))
        if name.startswith("ses_"):
            title = text_of(obj.get("title"))
            return Reading("session", [Item(Kind.TITLE, title, id="title", offset=0)] if title else [])
        if name.startswith("msg_"):
            return Reading("message")
        role = "assistant" if "time" in obj or obj.get("type") != "text" else "user"
        items = [Item(*entry, block, name) for block, entry in enumerate(_entries(obj, role, file))]
        return Reading("part", items, timestamp=moment(dict_of(obj.get("time")).get("start")))


class OpenCode(RowFormat, OpenCodeFiles):
    """Rows since 1.2."""

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        when = moment(row.first("time_created"))
        data = dict_of(row.json("data"))
        if row.table == "session":
            state.cwd = row.text("directory") or state.cwd
            title = row.text("title")
            return ([Item(Kind.TITLE, title, id="title")] if title else []), []
        if row.table == "message":
            state.facts[row.text("id")] = text_of(data.get("role"))
            error = text_of(dict_of(dict_of(data.get("error")).get("data")).get("message"))
            return (named([Item(Kind.ERROR, error)], row.text("id"), when) if error else []), []
        if row.table != "part":
            return [], []
        message = row.text("message_id")
        role = state.facts.get(message, "assistant")
        entries = _entries(data, role, file)
        typed = bool(entries) and entries[0][0] in (Kind.PROMPT, Kind.SUBAGENT_PROMPT)
        if typed and state.facts.setdefault(f"prompt of {message}", row.key) != row.key:
            entries = [(Kind.COMMENT, *entries[0][1:]), *entries[1:]]
        when = when or moment(dict_of(data.get("time")).get("start"))
        return named([Item(*entry, block) for block, entry in enumerate(entries)], row.text("id"), when), []


Entry = tuple[Kind, str, str, str]


def _entries(part: Object, role: str, file: Context) -> list[Entry]:
    """What a part says that stands alone."""
    if role != "user":
        return _part(part, file)
    text = text_of(part.get("text"))
    if part.get("type") != "text" or not text:
        return []
    words = unwrapped(text, "opencode")
    prompt = Kind.SUBAGENT_PROMPT if file.subagent else Kind.PROMPT
    if part.get("synthetic") or not of_text(words.text, "opencode").person:
        return [(Kind.INJECTED, text, "", "")]
    return [(prompt, words.text, "", ""), *([(Kind.INJECTED, words.context, "", "")] if words.context else [])]


def _message(message: Object, number: int, file: Context) -> list[Item]:
    info = dict_of(message.get("info"))
    role = text_of(info.get("role"))
    parts = blocks_of(message.get("parts"))
    name, when = text_of(info.get("id")) or f"message-{number}", moment(dict_of(info.get("time")).get("created"))
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
