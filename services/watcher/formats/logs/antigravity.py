"""Antigravity: steps of a conversation, one a line, and rows of its small databases. Pure; read off real files.

A result is the step after the call of its tool; there are no ids of calls, and a command that failed says DONE, too.
"""

from __future__ import annotations

import re

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.times import moment

REQUEST = re.compile(r"<USER_REQUEST>\s*(.*?)\s*</USER_REQUEST>", re.DOTALL)
IMPLIED = {"USER_EXPLICIT": "USER_INPUT", "MODEL": "PLANNER_RESPONSE"}
AUTHORS = ("USER_EXPLICIT", "MODEL", "SYSTEM")


class Antigravity(Format):
    """Lines with `step_index`, `source` and `type`."""

    name = "antigravity"

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        inside = ".system_generated" in parts and parts.index(".system_generated") > 0
        return Context(parts[parts.index(".system_generated") - 1] if inside else super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        return "step_index" in first or (first.get("source") in AUTHORS and "content" in first)

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        source = text_of(obj.get("source"))
        kind = text_of(obj.get("type")) or IMPLIED.get(source, "")
        content = text_of(obj.get("content"))
        said = Said(self.name)
        if kind == "USER_INPUT":
            request = REQUEST.search(content)
            words = request[1] if request else content
            said.prompt(words, injected=source != "USER_EXPLICIT")
            beside = REQUEST.sub("", content).strip() if request else ""
            said.add(Kind.INJECTED, beside)
        elif kind == "PLANNER_RESPONSE":
            said.thought(text_of(obj.get("thinking")))
            said.answer(content)
            for call in map(dict_of, list_of(obj.get("tool_calls"))):
                said.call(call.get("name"), call.get("args"))
        elif source == "SYSTEM":
            said.add(Kind.INJECTED, content)
        elif source == "MODEL" and kind:
            said.result(content, kind.lower())
        else:
            return Reading(unknown(kind))
        return Reading(kind, said.items, timestamp=moment(obj.get("created_at")))  # indexes begin anew in one file
