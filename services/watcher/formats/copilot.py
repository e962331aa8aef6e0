"""Copilot CLI event logs: `{type, data, id, timestamp, parentId}` lines, to records. Pure."""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_copilot
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    dict_of,
    joined,
    list_of,
    output_of,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown

QUIET = ("assistant.", "hook.", "permission.", "session.", "skill.", "subagent.", "tool.")
"""Families of events that are understood; those that hold words are named in `_items`."""


class Copilot(Format):
    """https://docs.github.com/copilot/concepts/agents/about-copilot-cli; read off real files."""

    name = "copilot"
    unique_ids = True

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        stem = parts[-1].removesuffix(".jsonl")
        session = text_of(dict_of(dict_of(first).get("data")).get("sessionId"))
        return Context(session or (parts[-2] if stem == "events" and len(parts) > 1 else stem))

    def sniff(self, first: Object) -> bool:
        return "data" in first and "." in text_of(first.get("type"))

    def matters(self, line: bytes, state: State) -> bool:
        return not state.by_person or b"user.message" in line or b"session." in line or b'"id"' not in line

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        data = dict_of(obj.get("data"))
        if cwd := text_of(dict_of(data.get("context")).get("cwd")):
            state.cwd = cwd
        items = _items(kind, data)
        known = items is not None or kind.startswith(QUIET)
        return Reading(
            kind if known else unknown(kind),
            items or [],
            text_of(obj.get("id")),
            text_of(obj.get("timestamp")),
            state.cwd,
            kind.partition(".")[0],
            [of_copilot(data).unknown] if kind == "user.message" and of_copilot(data).unknown else (),
        )


def _items(kind: str, data: Object) -> list[Item] | None:  # noqa: C901 - a flat table of event types
    text = joined(data.get("content"))
    aside = bool(data.get("parentToolCallId"))
    if kind == "user.message":
        return _user(data, text, aside)
    if kind == "assistant.message":
        items = []
        if thought := text_of(data.get("reasoningText")):
            items.append(Item(Kind.THINKING, thought))
        if text:
            items.append(Item(Kind.SUBAGENT_ANSWER if aside else Kind.ANSWER, text, block=1))
        for number, call in enumerate(map(dict_of, list_of(data.get("toolRequests"))), start=2):
            kind_of_call = Kind.SUBAGENT_CALL if aside else Kind.TOOL_CALL
            items.append(Item(kind_of_call, "", text_of(call.get("name")), arguments_of(call.get("arguments")), number))
        return items
    if kind == "assistant.reasoning":
        return [Item(Kind.THINKING, text)] if text else []
    if kind == "tool.execution_complete":
        output = output_of(data.get("result") or data.get("error"))
        return [Item(Kind.TOOL_RESULT, output, text_of(data.get("toolCallId")))]
    if kind == "system.message":
        return [Item(Kind.INJECTED, text)]
    if kind == "system.notification":
        return [Item(Kind.NOTIFICATION, text)]
    if kind == "abort":
        return [Item(Kind.INTERRUPT, text_of(data.get("reason")))]
    if kind == "session.error":
        return [Item(Kind.ERROR, text_of(data.get("message")))]
    if kind == "session.compaction_complete":
        return [Item(Kind.SUMMARY, text_of(data.get("summaryContent")))]
    return None


def _user(data: Object, text: str, aside: bool) -> list[Item]:
    author = of_copilot(data)
    if aside or author.why.startswith("source=agent"):
        return [Item(Kind.SUBAGENT_PROMPT, text.strip())]
    if not author.person:
        return [Item(Kind.NOTIFICATION if author.notice else Kind.INJECTED, text)]
    words = unwrapped(text, "copilot")
    context = [Item(Kind.INJECTED, words.context, block=1)] if words.context else []
    return [Item(Kind.PROMPT, words.text), *context]
