"""Items of a response, one a line or a row: messages, calls of functions, their outputs. Pure.

https://platform.openai.com/docs/api-reference/responses/object names them; WorkBuddy and Omnigent write them.
"""

from __future__ import annotations

from collections.abc import Callable

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, text_of
from mnemostream.services.watcher.formats.base import Context, Reading, State, unknown
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.messages.plain import INJECTED, role_of, time_of

QUIET = frozenset({"routing_decision", "usage", "session", "status", "resource_event"})


class Items(Messages):
    """`type`: message, function_call, function_call_result, reasoning, compaction."""

    name = "items"
    documents = False

    def sniff(self, first: Object) -> bool:
        kind = first.get("type")
        return kind in ("function_call", "function_call_result") or (kind == "message" and "providerData" in first)

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        state.cwd = text_of(obj.get("cwd")) or state.cwd
        kind, said = said_by(obj, self.name, file)
        if not kind:
            return Reading(unknown(obj.get("type")))
        return Reading(kind, said.items, text_of(obj.get("id")), time_of(obj), state.cwd, role_of(obj), said.unknown)


def said_by(obj: Object, family: str, file: Context) -> tuple[str, Said]:
    """The kind of an item, "" = unknown, and what it says."""
    kind = text_of(obj.get("type")) or ("message" if "role" in obj else "")
    said = Said(family, file.subagent)
    tell = TOLD.get(kind)
    if tell:
        tell(obj, said)
    elif kind not in QUIET:
        return "", said
    return kind, said


def _message(obj: Object, said: Said) -> None:
    injected = any(obj.get(key) is True for key in INJECTED)
    if role_of(obj) == "user":
        said.user(obj.get("content"), injected=injected)
    elif role_of(obj) == "assistant":
        said.assistant(obj.get("content"))
    else:
        said.add(Kind.INJECTED, joined(obj.get("content")))


def _call(obj: Object, said: Said) -> None:
    said.call(obj.get("name"), obj.get("arguments") or obj.get("input"))


def _result(obj: Object, said: Said) -> None:
    said.result(obj.get("output") or obj.get("result"), text_of(obj.get("call_id") or obj.get("callId")))


def _summary(obj: Object, said: Said) -> None:
    said.add(Kind.SUMMARY, text_of(obj.get("summary")))


def _slash(obj: Object, said: Said) -> None:
    said.add(Kind.LOCAL_COMMAND, f"/{text_of(obj.get('name'))} {text_of(obj.get('arguments'))}".strip())


def _terminal(obj: Object, said: Said) -> None:
    typed = obj.get("kind") == "input"
    said.add(Kind.LOCAL_COMMAND if typed else Kind.LOCAL_OUTPUT, text_of(obj.get("input") or obj.get("output")))


def _error(obj: Object, said: Said) -> None:
    said.add(Kind.ERROR, text_of(dict_of(obj.get("error")).get("message") or obj.get("message")))


TOLD: dict[str, Callable[[Object, Said], None]] = {
    "message": _message,
    "function_call": _call,
    "custom_tool_call": _call,
    "tool_call": _call,
    "function_call_output": _result,
    "function_call_result": _result,
    "tool_result": _result,
    "reasoning": lambda obj, said: said.block(obj),
    "compaction": _summary,
    "summary": _summary,
    "slash_command": _slash,
    "terminal_command": _terminal,
    "error": _error,
}
