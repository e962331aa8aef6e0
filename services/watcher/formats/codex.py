"""Codex CLI rollouts: `{timestamp, type, payload}` lines, to records. Pure; format notes in docs/formats.md.

Two logs are interleaved: `response_item` is what the model sees, `event_msg` what the screen shows. A message
stands in both, in either order; the first of the two is taken. A forked file begins with its own
`session_meta`, then its parent's: the first one is the session.
"""

from __future__ import annotations

import re

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_codex
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
from mnemostream.services.watcher.authorship.wrappers import unwrapped, without_marks
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.codex_types import CALLS, QUIET, RESULTS

RECENT = 8
"""Messages kept to recognise the second copy of one."""


class CodexState(State):
    """The last messages, to take only one of the two copies of each; the session that the file names first."""

    def __init__(self) -> None:
        super().__init__()
        self.recent: list[tuple[str, str, str]] = []
        self.forked = False

    def second_copy(self, log: str, role: str, text: str) -> bool:
        """True if the other log has just said the same; each copy answers for one."""
        same = without_marks(text)
        other = ("event" if log == "item" else "item", role, same)
        if other in self.recent:
            self.recent.remove(other)
            return True
        self.recent = [*self.recent[-RECENT:], (log, role, same)]
        return False

    def has_event(self, text: str) -> bool:
        """True if an event of the screen has just named these words as a person's."""
        return ("event", "user", without_marks(text)) in self.recent


class Codex(Format):
    """https://github.com/openai/codex; read off real files."""

    name = "codex"

    def context(self, path: str, first: Object | None = None) -> Context:
        """
        >>> Codex().context("2026/07/01/rollout-2026-07-01T10-00-00-019f1f6f-311c-7543-b0f9-f126da3c5434.jsonl")
        Context(session_id='019f1f6f-311c-7543-b0f9-f126da3c5434', subagent=False)
        """
        stem = path.rsplit("/", 1)[-1].removesuffix(".zst").removesuffix(".jsonl")
        meta = dict_of(dict_of(first).get("payload"))
        session = text_of(meta.get("id")) or (stem[-36:] if stem.startswith("rollout-") else stem)
        return Context(session, "subagent" in dict_of(meta.get("source")))

    def sniff(self, first: Object) -> bool:
        return first.get("type") == "session_meta" or ("payload" in first and "timestamp" in first)

    def state(self) -> State:
        return CodexState()

    def opener_key(self, name: str, link: str) -> str:
        return link  # lines have no ids, and a fork stamps the copied ones with its own time

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        kind = text_of(obj.get("type"))
        payload = dict_of(obj.get("payload"))
        if not payload and kind in CALLS | RESULTS | {"message", "reasoning"}:  # before 0.42: the item itself
            kind, payload = "response_item", obj
        what = text_of(payload.get("type")) or ("message" if "role" in payload and kind == "response_item" else "")
        name = f"{kind}/{what}" if kind in ("event_msg", "response_item") else kind
        if cwd := text_of(payload.get("cwd")):
            state.cwd = cwd
        memory = state if isinstance(state, CodexState) else CodexState()
        strange: list[str] = []
        if name == "session_meta":
            items: list[Item] | None = _fork(payload, file, memory)
        else:
            items = _items(name, payload, file, memory, strange)
        understood = items is not None or name in QUIET
        return Reading(
            name if understood else unknown(name),
            items or [],
            "",  # ids of items are not those of their copies in a fork
            text_of(obj.get("timestamp")),
            state.cwd,
            text_of(payload.get("role")),
            strange,
        )


def _fork(meta: Object, file: Context, state: CodexState) -> list[Item]:
    """The session whose history this one began with: named by the fork, or by the head of the copied history."""
    spawned = dict_of(dict_of(dict_of(meta.get("source")).get("subagent")).get("thread_spawn"))
    named = (text_of(meta.get("forked_from_id")), text_of(spawned.get("parent_thread_id")), text_of(meta.get("id")))
    parent = next((name for name in named if name and name != file.session_id), "")
    if state.forked or not parent:
        return []
    state.forked = True
    return [Item(Kind.FORK, parent)]


def _items(  # noqa: C901 - a flat table of payload types
    name: str, payload: Object, file: Context, state: CodexState, strange: list[str]
) -> list[Item] | None:
    """The items of one payload; None = a type that holds no words or is not known."""
    what = name.partition("/")[2]
    if name == "response_item/message":
        return _message(payload, file, state, strange)
    if name == "event_msg/user_message":
        return _prompt("event", joined(payload.get("message")), file, state)
    if name == "event_msg/agent_message":
        return _answer("event", joined(payload.get("message")), file, state)
    if name == "event_msg/item_completed":
        return _completed(dict_of(payload.get("item")), file, state)
    if name == "response_item/agent_message":
        return [Item(Kind.NOTIFICATION, joined(payload.get("content")))]
    if name == "response_item/reasoning":
        thought = "\n".join(text_of(dict_of(part).get("text")) for part in list_of(payload.get("summary")))
        return [Item(Kind.THINKING, thought)] if thought.strip() else []
    if what in CALLS:
        arguments: object = next((payload[key] for key in ("arguments", "input", "action") if key in payload), {})
        kind = Kind.SUBAGENT_CALL if file.subagent else Kind.TOOL_CALL
        return [Item(kind, "", text_of(payload.get("name")) or what, arguments_of(arguments))]
    if what in RESULTS:
        return [Item(Kind.TOOL_RESULT, output_of(payload.get("output")), text_of(payload.get("call_id")))]
    if name == "event_msg/turn_aborted":
        return [Item(Kind.INTERRUPT, text_of(payload.get("reason")))]
    if name in ("event_msg/error", "event_msg/stream_error"):
        return [Item(Kind.ERROR, text_of(payload.get("message")))]
    if name == "compacted":  # its replacement_history repeats old messages
        return [Item(Kind.SUMMARY, text_of(payload.get("message")))]
    return None


def _completed(item: Object, file: Context, state: CodexState) -> list[Item]:
    """What newer versions write beside the items: words of a person, or of the assistant."""
    kind = text_of(item.get("type")).lower().replace("_", "")
    if kind == "usermessage":
        return _prompt("event", joined(item.get("content")), file, state)
    if kind == "agentmessage":
        return _answer("event", joined(item.get("content")), file, state)
    return []


def _message(payload: Object, file: Context, state: CodexState, strange: list[str]) -> list[Item]:
    role = payload.get("role")
    text = joined(payload.get("content"))
    if role == "assistant":
        return _answer("item", text, file, state)
    if role != "user":
        return [Item(Kind.INJECTED, text)] if text else []
    typed, context = _by_kind(payload)
    words = unwrapped(typed, "codex").text
    author = of_codex(words, event=False)
    if author.unknown and not state.has_event(typed):
        strange.append(author.unknown)
    pictured = any(block.get("type") == "input_image" for block in blocks_of(payload.get("content")))
    if words.startswith("<user_shell_command>"):
        return [
            Item(Kind.LOCAL_COMMAND, f"!{_tag(words, 'command')}"),
            Item(Kind.LOCAL_OUTPUT, _tag(words, "result"), block=1),
        ]
    if (author.person and (words or pictured)) or (author.unknown and state.has_event(typed)):
        return _prompt("item", typed, file, state) + ([Item(Kind.INJECTED, context, block=2)] if context else [])
    return [Item(Kind.NOTIFICATION if author.notice else Kind.INJECTED, text)] if text else []


def _by_kind(payload: Object) -> tuple[str, str]:
    """The blocks that a person typed, and the others, where the item says so itself (from 0.150)."""
    blocks = blocks_of(payload.get("content"))
    passed = dict_of(payload.get("internal_chat_message_metadata_passthrough"))
    kinds = [text_of(kind) for kind in list_of(passed.get("content_item_kinds"))]
    if len(kinds) != len(blocks):
        return joined(blocks), ""
    typed = [kind.startswith("user.") for kind in kinds]
    return tuple(joined([b for b, own in zip(blocks, typed, strict=True) if own is side]) for side in (True, False))  # type: ignore[return-value]


def _tag(text: str, name: str) -> str:
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return match[1].strip() if match else ""


def _prompt(log: str, text: str, file: Context, state: CodexState) -> list[Item]:
    if state.second_copy(log, "user", text):
        return []
    words = unwrapped(text, "codex")
    if not of_codex(words.text, event=log == "event").person:
        return [Item(Kind.INJECTED, text)]
    prompt = Item(Kind.SUBAGENT_PROMPT if file.subagent else Kind.PROMPT, words.text, role="user")
    return [prompt, Item(Kind.INJECTED, words.context, block=1)] if words.context else [prompt]


def _answer(log: str, text: str, file: Context, state: CodexState) -> list[Item]:
    if not text or state.second_copy(log, "assistant", text):
        return []
    return [Item(Kind.SUBAGENT_ANSWER if file.subagent else Kind.ANSWER, text, role="assistant")]
