"""Codex CLI rollouts: `{timestamp, type, payload}` lines, to records. Pure; format notes in docs/formats.md.

Two logs are interleaved: `response_item` is what the model sees, `event_msg` what the screen shows. A message
stands in both, in either order; the first of the two is taken. A forked file begins with its own
`session_meta`, then its parent's: the first one is the session.
"""

from __future__ import annotations

from contracts.transcripts import Kind
from services.watcher.formats.base import (
    Context,
    Format,
    Item,
    Object,
    Reading,
    State,
    arguments_of,
    dict_of,
    joined,
    list_of,
    text_of,
    unknown,
)

SCAFFOLD_HEADS = (
    "# AGENTS.md instructions",
    "<environment_context>",
    "<INSTRUCTIONS>",
    "<permissions instructions>",
    "<recommended_plugins>",
    "<skill>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_instructions>",
)
CALLS = frozenset(
    {
        "custom_tool_call",
        "function_call",
        "image_generation_call",
        "local_shell_call",
        "tool_call",
        "tool_search_call",
        "web_search_call",
    }
)
RESULTS = frozenset({"custom_tool_call_output", "function_call_output", "tool_result", "tool_search_output"})
QUIET = frozenset(
    {
        "inter_agent_communication_metadata",
        "session_meta",
        "turn_context",
        "world_state",
        "event_msg/account/rateLimits/updated",
        "event_msg/agent_reasoning",
        "event_msg/agent_reasoning_raw_content",
        "event_msg/collab_agent_interaction_end",
        "event_msg/collab_agent_spawn_end",
        "event_msg/collab_close_end",
        "event_msg/collab_waiting_end",
        "event_msg/context_compacted",
        "event_msg/dynamic_tool_call_request",
        "event_msg/dynamic_tool_call_response",
        "event_msg/entered_review_mode",
        "event_msg/exec_command_end",
        "event_msg/exited_review_mode",
        "event_msg/guardian_assessment",
        "event_msg/image_generation_end",
        "event_msg/item_completed",
        "event_msg/mcp_tool_call_end",
        "event_msg/patch_apply_end",
        "event_msg/sub_agent_activity",
        "event_msg/task_complete",
        "event_msg/task_started",
        "event_msg/thread_goal_updated",
        "event_msg/thread_name_updated",
        "event_msg/thread_settings_applied",
        "event_msg/token_count",
        "event_msg/undo_completed",
        "event_msg/view_image_tool_call",
        "event_msg/web_search_end",
        "response_item/ghost_snapshot",
    }
)
"""Types that are understood and hold no words of their own: bookkeeping, and second copies of tool calls."""

RECENT = 8
"""Messages kept to recognise the second copy of one."""


class CodexState(State):
    """The last messages, to take only one of the two copies of each."""

    def __init__(self) -> None:
        super().__init__()
        self.recent: list[tuple[str, str, str]] = []

    def second_copy(self, log: str, role: str, text: str) -> bool:
        """True if the other log has just said the same; each copy answers for one."""
        other = ("event" if log == "item" else "item", role, text.strip())
        if other in self.recent:
            self.recent.remove(other)
            return True
        self.recent = [*self.recent[-RECENT:], (log, role, text.strip())]
        return False


class Codex(Format):
    """https://github.com/openai/codex; read off real files."""

    name = "codex"

    def context(self, path: str, first: Object | None = None) -> Context:
        """
        >>> Codex().context("2026/07/01/rollout-2026-07-01T10-00-00-019f1f6f-311c-7543-b0f9-f126da3c5434.jsonl")
        Context(session_id='019f1f6f-311c-7543-b0f9-f126da3c5434', subagent=False)
        """
        stem = path.rsplit("/", 1)[-1].removesuffix(".jsonl")
        meta = dict_of(dict_of(first).get("payload"))
        session = text_of(meta.get("id")) or (stem[-36:] if stem.startswith("rollout-") else stem)
        return Context(session, "subagent" in dict_of(meta.get("source")))

    def sniff(self, first: Object) -> bool:
        return first.get("type") == "session_meta" or ("payload" in first and "timestamp" in first)

    def state(self) -> State:
        return CodexState()

    def read(self, obj: Object, file: Context, state: State, line_id: str) -> Reading:
        kind = text_of(obj.get("type"))
        payload = dict_of(obj.get("payload"))
        if not payload and kind in CALLS | RESULTS | {"message", "reasoning"}:  # before 0.42: the item itself
            kind, payload = "response_item", obj
        what = text_of(payload.get("type")) or ("message" if "role" in payload and kind == "response_item" else "")
        name = f"{kind}/{what}" if kind in ("event_msg", "response_item") else kind
        if cwd := text_of(payload.get("cwd")):
            state.cwd = cwd
        items = _items(name, payload, file, state if isinstance(state, CodexState) else CodexState())
        understood = items is not None or name in QUIET
        return Reading(
            name if understood else unknown(name),
            items or [],
            text_of(payload.get("id")) if kind == "response_item" else "",
            text_of(obj.get("timestamp")),
            state.cwd,
            text_of(payload.get("role")),
        )


def _items(  # noqa: C901 - a flat table of payload types
    name: str, payload: Object, file: Context, state: CodexState
) -> list[Item] | None:
    """The items of one payload; None = a type that holds no words or is not known."""
    what = name.partition("/")[2]
    if name == "response_item/message":
        return _message(payload, file, state)
    if name == "event_msg/user_message":
        return _prompt("event", text_of(payload.get("message")), file, state)
    if name == "event_msg/agent_message":
        return _answer("event", text_of(payload.get("message")), file, state)
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
        return [Item(Kind.TOOL_RESULT, "", text_of(payload.get("call_id")))]
    if name == "event_msg/turn_aborted":
        return [Item(Kind.INTERRUPT, text_of(payload.get("reason")))]
    if name in ("event_msg/error", "event_msg/stream_error"):
        return [Item(Kind.ERROR, text_of(payload.get("message")))]
    if name == "compacted":  # its replacement_history repeats old messages
        return [Item(Kind.SUMMARY, text_of(payload.get("message")))]
    return None


def _message(payload: Object, file: Context, state: CodexState) -> list[Item]:
    text = joined(payload.get("content"))
    role = payload.get("role")
    if role == "assistant":
        return _answer("item", text, file, state)
    if role == "user" and not text.lstrip().startswith(SCAFFOLD_HEADS):
        return _prompt("item", text, file, state)
    return [Item(Kind.INJECTED, text)] if text else []


def _prompt(log: str, text: str, file: Context, state: CodexState) -> list[Item]:
    if state.second_copy(log, "user", text):
        return []
    return [Item(Kind.SUBAGENT_PROMPT if file.subagent else Kind.PROMPT, text.strip(), role="user")]


def _answer(log: str, text: str, file: Context, state: CodexState) -> list[Item]:
    if not text or state.second_copy(log, "assistant", text):
        return []
    return [Item(Kind.SUBAGENT_ANSWER if file.subagent else Kind.ANSWER, text, role="assistant")]
