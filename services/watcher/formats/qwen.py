"""Qwen Code sessions: lines like Claude Code's, with Gemini's message parts, to records. Pure."""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_qwen
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    blocks_of,
    content_of,
    dict_of,
    joined,
    output_of,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown


class Qwen(Format):
    """https://github.com/QwenLM/qwen-code; read off real files."""

    name = "qwen"
    unique_ids = True

    def context(self, path: str, first: Object | None = None) -> Context:
        return Context(text_of(dict_of(first).get("sessionId")) or super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        return "uuid" in first and ("parts" in dict_of(first.get("message")) or "systemPayload" in first)

    def matters(self, line: bytes, state: State) -> bool:
        return not state.by_person or b'"user"' in line or b'"uuid"' not in line

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        message = dict_of(obj.get("message"))
        parts = blocks_of(message["parts"] if "parts" in message else content_of(obj.get("message")))
        strange = ""
        if kind == "user":
            items, strange = _user(obj, parts)
        elif kind == "assistant":
            items = _assistant(parts)
        elif kind == "tool_result":
            result = dict_of(obj.get("toolCallResult"))
            told = [dict_of(part.get("functionResponse")).get("response") for part in parts]
            output = output_of([value for value in told if value]) or output_of(result.get("resultDisplay"))
            items = [Item(Kind.TOOL_RESULT, output, text_of(result.get("callId")))]
        elif kind == "system":
            items = _system(obj)
        else:
            items = []
        known = kind in ("user", "assistant", "tool_result", "system")
        name = f"system/{text_of(obj.get('subtype'))}" if kind == "system" else kind
        return Reading(
            name if known else unknown(kind),
            items,
            text_of(obj.get("uuid")),
            text_of(obj.get("timestamp")),
            text_of(obj.get("cwd")),
            kind,
            [f"{witness}@{text_of(obj.get('version'))[:40]}" for witness in strange.split()],
        )


def _user(obj: Object, parts: list[Object]) -> tuple[list[Item], str]:
    """The items, and a witness of the author that nobody knows."""
    shown = text_of(dict_of(obj.get("systemPayload")).get("displayText")) or joined(parts)
    author = of_qwen(obj, shown)
    if obj.get("isSidechain") is True or author.why == "agentId":
        return [Item(Kind.SUBAGENT_PROMPT, shown.strip())], author.unknown
    if not author.person:
        return [Item(Kind.NOTIFICATION, shown.strip())] if shown.strip() else [], author.unknown
    words = unwrapped(shown, "qwen")
    context = [Item(Kind.INJECTED, words.context, block=1)] if words.context else []
    return [Item(Kind.PROMPT, words.text), *context], author.unknown


def _assistant(parts: list[Object]) -> list[Item]:
    items: list[Item] = []
    for part in parts:
        text = text_of(part.get("text"))
        call = dict_of(part.get("functionCall"))
        if text:
            items.append(Item(Kind.THINKING if part.get("thought") is True else Kind.ANSWER, text, block=len(items)))
        if call:
            items.append(
                Item(Kind.TOOL_CALL, "", text_of(call.get("name")), arguments_of(call.get("args")), len(items))
            )
    return items


def _system(obj: Object) -> list[Item]:
    payload = dict_of(obj.get("systemPayload"))
    if obj.get("subtype") == "slash_command" and payload.get("phase") == "invocation":
        # one that goes to the model is followed by a line of the user
        return [] if payload.get("sentToModel") else [Item(Kind.LOCAL_COMMAND, text_of(payload.get("rawCommand")))]
    if obj.get("subtype") == "chat_compression":  # the compressed history repeats old messages
        return [Item(Kind.SUMMARY)]
    return []
