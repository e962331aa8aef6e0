"""OpenHands CLI: a folder a conversation, a file an event, written once. Pure.

https://github.com/OpenHands/software-agent-sdk, openhands/sdk/event.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.times import moment

QUIET = frozenset(
    {"SystemPromptEvent", "ConversationStateUpdateEvent", "PauseEvent", "TokenEvent", "UserRejectObservation"}
)


class OpenHands(Format):
    """`kind`: MessageEvent, ActionEvent, ObservationEvent."""

    name = "openhands"
    documents = True

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        if "events" in parts[1:]:
            return Context(parts[parts.index("events") - 1])
        return Context(parts[-2] if len(parts) > 1 else super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        kind = text_of(first.get("kind"))
        return kind.endswith("Event") and "source" in first

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind, source = text_of(obj.get("kind")), text_of(obj.get("source"))
        said = Said(self.name)
        if kind == "MessageEvent":
            content = dict_of(obj.get("llm_message")).get("content")
            if source == "user":
                said.user(content)
            else:
                said.assistant(content)
        elif kind == "ActionEvent":
            said.thought(text_of(obj.get("reasoning_content")))
            said.answer(joined(obj.get("thought")))
            action = {k: v for k, v in dict_of(obj.get("action")).items() if k != "kind"}
            said.call(obj.get("tool_name"), action)
        elif kind == "ObservationEvent":
            said.result(obj.get("observation"), text_of(obj.get("tool_call_id")))
        elif kind == "AgentErrorEvent":
            said.add(Kind.ERROR, output_of(obj.get("error")))
        elif kind == "Condensation":
            said.add(Kind.SUMMARY, text_of(obj.get("summary")))
        elif kind not in QUIET and "agent" not in obj:
            return Reading(unknown(kind))
        return Reading(kind or "state", said.items, text_of(obj.get("id")), moment(obj.get("timestamp")))
