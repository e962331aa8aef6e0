"""Gemini CLI chats: one JSON object that is rewritten as a whole (.json), or a log with `$set` and `$rewindTo`
(.jsonl), to records. Pure; format notes in docs/formats.md.

A message may be written again with more content: it is a new revision of the same record. What was rewound
was said nevertheless and stays.
"""

from __future__ import annotations

import hashlib

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.compaction import SUMMARY, THANKS, Said, compacted, said_of
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
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, identifier, unknown


class Position(msgspec.Struct):
    """Where a message was first seen, and its last content."""

    offset: int
    digest: bytes
    exchange: str = ""
    revision: int = 0


class GeminiState(State):
    """Every message of the session by id."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, Position] = {}
        self.said: dict[str, Said] = {}


class Gemini(Format):
    """https://github.com/google-gemini/gemini-cli, packages/core/src/services/chatRecordingService.ts."""

    name = "gemini"
    documents = True

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(first)
        parts = path.split("/")
        stem = parts[-1].rsplit(".", 1)[0]
        below = parts[parts.index("chats") + 1 : -1] if "chats" in parts else []
        return Context(text_of(obj.get("sessionId")) or stem, obj.get("kind") == "subagent" or bool(below))

    def sniff(self, first: Object) -> bool:
        return "projectHash" in first and "sessionId" in first

    def state(self) -> State:
        return GeminiState()

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        places = state.places if isinstance(state, GeminiState) else {}
        change = dict_of(obj.get("$set"))
        if "messages" in obj or "messages" in change:
            messages = [dict_of(m) for m in list_of(obj.get("messages", change.get("messages")))]
            if "messages" not in obj and isinstance(state, GeminiState):
                messages = compacted(messages, state.said.items(), places)
            document = "messages" in obj  # in a log the messages of one line follow each other from its place on
            items = [
                item
                for n, m in enumerate(messages)
                for item in _revised(_with_id(m, n), file, state, places, n if document else -1 - n)
            ]
            return Reading("document" if "messages" in obj else "$set", items)
        if change:
            return Reading("$set")
        if "$rewindTo" in obj:
            return Reading("$rewindTo")
        if "projectHash" in obj:
            return Reading("metadata")
        if _message(obj, file) is None:
            return Reading(unknown(obj.get("type")))
        return Reading(text_of(obj.get("type")), _revised(obj, file, state, places, -1))


def _with_id(message: Object, number: int) -> Object:
    """A message without an id is known by its place."""
    return message if text_of(message.get("id")) else {**message, "id": f"message-{number}"}


def _revised(message: Object, file: Context, state: State, places: dict[str, Position], offset: int) -> list[Item]:
    """The items of a message that is new or was changed; a changed one keeps its place."""
    items = _message(message, file) or []
    name = text_of(message.get("id"))
    if not items or not name:
        return items
    digest = hashlib.sha256(msgspec.json.encode(items)).digest()[:12]
    place = places.get(name)
    if isinstance(state, GeminiState):
        state.said[name] = said_of(message)
    if place is None:
        if any(item.kind is Kind.PROMPT for item in items):
            state.exchange = Gemini().exchange_id(identifier(name), file)
        places[name] = Position(offset, digest, state.exchange)
        return [msgspec.structs.replace(item, offset=offset, exchange=state.exchange) for item in items]
    if place.digest == digest:
        return []
    place.digest, place.revision = digest, place.revision + 1
    return [
        msgspec.structs.replace(item, offset=place.offset, exchange=place.exchange, revision=place.revision)
        for item in items
    ]


def _message(message: Object, file: Context) -> list[Item] | None:
    """The items of one message; None = of an unknown type."""
    kind = message.get("type")
    text = joined(message.get("content"))
    if kind == "user":
        items = _user(message, text, file)
    elif kind in ("gemini", "model"):
        items = _model(message, file)
    elif kind in ("info", "warning"):
        items = [Item(Kind.NOTIFICATION, text)]
    elif kind == "error":
        items = [Item(Kind.ERROR, text)]
    elif kind in (SUMMARY, THANKS):
        items = [Item(Kind.SUMMARY if kind == SUMMARY else Kind.INJECTED, text)]
    else:
        return None
    name, when = text_of(message.get("id")), text_of(message.get("timestamp"))
    return [msgspec.structs.replace(item, id=name, timestamp=when, role=text_of(kind)) for item in items]


def _user(message: Object, text: str, file: Context) -> list[Item]:
    """What a person typed; results of tools stand in the same role."""
    shown = joined(message.get("displayContent")).strip() or text
    results = [dict_of(b["functionResponse"]) for b in blocks_of(message.get("content")) if "functionResponse" in b]
    items = [
        Item(Kind.TOOL_RESULT, output_of(result.get("response")), text_of(result.get("id")), block=n)
        for n, result in enumerate(results, start=2)
    ]
    words = unwrapped(shown, "gemini")
    if results and not words.text:
        return items
    if not of_text(words.text, "gemini").person:
        return [Item(Kind.INJECTED, shown.strip()), *items]
    items += [Item(Kind.INJECTED, words.context, block=1)] if words.context else []
    if not words.text and words.context:
        return items
    return [Item(Kind.SUBAGENT_PROMPT if file.subagent else Kind.PROMPT, words.text), *items]


def _model(message: Object, file: Context) -> list[Item]:
    items: list[Item] = []
    for told in map(dict_of, list_of(message.get("thoughts"))):
        parts = [text_of(told.get(key)) for key in ("subject", "description")]
        items.append(Item(Kind.THINKING, "\n".join(filter(None, parts)), block=len(items)))
    blocks = blocks_of(message.get("content"))
    if thought := joined([block for block in blocks if block.get("thought") is True]):
        items.append(Item(Kind.THINKING, thought, block=len(items)))
    if text := joined([block for block in blocks if block.get("thought") is not True]):
        items.append(Item(Kind.SUBAGENT_ANSWER if file.subagent else Kind.ANSWER, text, block=len(items)))
    for call in map(dict_of, list_of(message.get("toolCalls"))):
        what = Kind.SUBAGENT_CALL if file.subagent else Kind.TOOL_CALL
        items.append(Item(what, "", text_of(call.get("name")), arguments_of(call.get("args")), len(items)))
        items.append(Item(Kind.TOOL_RESULT, _result(call), text_of(call.get("id")), block=len(items)))
    return items


def _result(call: Object) -> str:
    """What a tool call gave: what the model was told, or what was shown."""
    responses = [dict_of(dict_of(part).get("functionResponse")).get("response") for part in list_of(call.get("result"))]
    return output_of([response for response in responses if response]) or output_of(call.get("resultDisplay"))
