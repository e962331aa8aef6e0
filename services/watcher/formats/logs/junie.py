"""JetBrains Junie: what its screen shows, as a stream of events. Pure; by description, no real file was seen.

A block is told again as it grows, under the same `stepId`: the last one holds.
"""

from __future__ import annotations

import hashlib

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, arguments_of, dict_of, output_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.messages.blocks import first
from mnemostream.services.watcher.formats.times import moment

QUIET = ("Metadata", "Status", "Started", "Finished", "Progress", "Tip", "Session", "Update")
WORDS = ("text", "prompt", "message", "content", "markdown", "result")


class Steps(State):
    """Content and revision of each block."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, tuple[bytes, int, str]] = {}


class Junie(Format):
    """`UserPromptEvent`, `ResultBlockUpdatedEvent`, and blocks of tools."""

    name = "junie"

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        return Context(parts[-2] if len(parts) > 1 else super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        kind = text_of(_event(first).get("type") or first.get("kind"))
        return kind.endswith("Event") and kind[:1].isupper()

    def state(self) -> State:
        return Steps()

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        event = _event(obj)
        kind = text_of(event.get("type") or event.get("kind"))
        when = moment(first(obj, ("timestamp", "time", "timestampMs")) or first(event, ("timestamp", "time")))
        text = output_of(first(event, WORDS))
        if kind == "UserPromptEvent":
            return Reading(kind, [Item(Kind.PROMPT, text)] if text else [], text_of(event.get("id")), when)
        step = text_of(event.get("stepId"))
        if kind == "ResultBlockUpdatedEvent":
            items = [Item(Kind.ANSWER, text)]
        elif "Block" in kind:
            name = text_of(first(event, ("toolName", "tool", "name", "title"))) or kind.removesuffix(
                "BlockUpdatedEvent"
            )
            given = first(event, ("command", "input", "arguments", "path"))
            items = [Item(Kind.TOOL_CALL, "", name, arguments_of(given or ""))]
            output = output_of(first(event, ("output", "stdout", "result")))
            items += [Item(Kind.TOOL_RESULT, output, step, block=1)] if output else []
        elif any(word in kind for word in QUIET):
            return Reading(kind)
        else:
            return Reading(unknown(kind))
        return Reading(kind, _revised(items, step, state), timestamp=when)


def _event(obj: Object) -> Object:
    return dict_of(obj.get("event")) or obj


def _revised(items: list[Item], step: str, state: State) -> list[Item]:
    """The items of a block that is new, or says something else than before."""
    if not step or not isinstance(state, Steps):
        return items
    digest = hashlib.sha256(msgspec.json.encode(items)).digest()[:12]
    before = state.seen.get(step)
    if before and before[0] == digest:
        return []
    revision = before[1] + 1 if before else 0
    unit = before[2] if before else state.exchange
    state.seen[step] = (digest, revision, unit)
    return [msgspec.structs.replace(item, id=f"step-{step}", revision=revision, exchange=unit) for item in items]
