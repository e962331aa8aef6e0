"""ATIF, a trajectory of an agent as one document, and the rows of Devin CLI. Pure.

https://www.harborframework.com/docs/agents/trajectory-format: `steps[]` with `source` user, agent or system.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.messages.plain import numbered, titled


class Atif(Messages):
    """`steps[]`."""

    name = "atif"

    def sniff(self, first: Object) -> bool:
        return text_of(first.get("schema_version")).startswith("ATIF")

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        if not isinstance(obj.get("steps"), list):
            return super().read(obj, file, state)
        items: list[Item] = titled(obj)
        odd: list[str] = []
        for number, step in enumerate(map(dict_of, obj["steps"])):
            said = Said(self.name)
            _step(step, said)
            odd += said.unknown
            items += numbered(said.items, {**step, "id": f"step-{step.get('step_id', number)}"}, number)
        return Reading("document", items, unknown=odd)

    def context(self, path: str, first: Object | None = None) -> Context:
        return Context(text_of(dict_of(first).get("session_id")) or super().context(path, first).session_id)


def _step(step: Object, said: Said) -> None:
    source = text_of(step.get("source"))
    words = joined(step.get("message"))
    if source == "user":
        typed = dict_of(step.get("metadata") or step.get("extra")).get("is_user_input")
        said.prompt(words, injected=typed is False)
    elif source == "agent":
        said.thought(text_of(step.get("reasoning_content")))
        said.answer(words)
        for call in map(dict_of, list_of(step.get("tool_calls"))):
            said.call(call.get("function_name") or call.get("name"), call.get("arguments"))
    elif source == "system":
        said.add(Kind.INJECTED, words)
    else:
        said.unknown.append(f"source={source[:40] or 'none'}")
    for result in map(dict_of, list_of(dict_of(step.get("observation")).get("results"))):
        said.result(result.get("content"), text_of(result.get("source_call_id")))
