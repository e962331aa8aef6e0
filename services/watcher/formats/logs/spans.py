"""Copilot in Visual Studio: spans of OpenTelemetry, one a line. Pure; by description, no real file was seen.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans: attributes `gen_ai.*`.
"""

from __future__ import annotations

import hashlib

import msgspec

from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Messages
from mnemostream.services.watcher.formats.messages.plain import numbered
from mnemostream.services.watcher.formats.rows.base import decoded
from mnemostream.services.watcher.formats.times import moment


class VisualStudio(Messages):
    """`gen_ai.input.messages` repeats the history: what is new in it is told."""

    name = "visual-studio"
    documents = False

    def sniff(self, first: Object) -> bool:
        return bool(_spans(first)) and any("gen_ai" in key for span in _spans(first) for key in _attributes(span))

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        spans = _spans(obj)
        if not spans:
            return Reading(unknown(obj.get("type")))
        items: list[Item] = []
        for span in spans:
            told = _attributes(span)
            when = moment(span.get("startTimeUnixNano") or span.get("startTime"))
            for side in ("gen_ai.input.messages", "gen_ai.output.messages"):
                for message in map(dict_of, list_of(decoded(text_of(told.get(side))))):
                    found, said = self.message(message, file)
                    if found and state.ordinals.setdefault(key := hash_of(message), 0) == 0:
                        state.ordinals[key] = 1
                        items += numbered(said.items, {**message, "id": f"m-{key:x}", "timestamp": when}, -1)
        return Reading("span", items)


def hash_of(message: Object) -> int:
    """A number for a message: the same for each repetition of it."""
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(message)).digest()[:8], "big")


def _spans(obj: Object) -> list[Object]:
    if "attributes" in obj:
        return [obj]
    return [
        dict_of(span)
        for resource in list_of(obj.get("resourceSpans"))
        for scope in list_of(dict_of(resource).get("scopeSpans"))
        for span in list_of(dict_of(scope).get("spans"))
    ]


def _attributes(span: Object) -> Object:
    told = span.get("attributes")
    if isinstance(told, dict):
        return told
    return {
        text_of(dict_of(one).get("key")): next(iter(dict_of(dict_of(one).get("value")).values()), None)
        for one in list_of(told)
    }
