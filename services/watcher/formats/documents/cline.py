"""Cline and its relatives: what was seen (`ui_messages.json`), what was sent (`api_conversation_history.json`). Pure.

Both say the same words; the session is the folder. https://github.com/cline/cline, src/shared/ExtensionMessage.ts.
"""

from __future__ import annotations

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item, Reading, State
from mnemostream.services.watcher.formats.lines import LIST
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.times import moment

PROMPTS = frozenset({"task", "user_feedback"})
ANSWERS = frozenset({"text", "completion_result", "plan_mode_respond", "followup"})
CALLS = frozenset({"tool", "command", "use_mcp_server", "browser_action_launch", "browser_action"})
RESULTS = frozenset({"command_output", "mcp_server_response", "browser_action_result"})
ERRORS = frozenset({"error", "diff_error", "api_req_failed", "mistake_limit_reached"})
DESCRIBED = "task ui_messages api_conversation_history"


class Cline(Messages):
    """A list of messages; the SDK's documents have `messages`."""

    name = "cline"

    def context(self, path: str, first: Object | None = None) -> Context:
        parts = path.split("/")
        if len(parts) > 1 and parts[-1].rsplit(".", 1)[0] in DESCRIBED:
            return Context(parts[-2])
        return super().context(path, first)

    def sniff(self, first: Object) -> bool:
        listing = first.get(LIST)
        if not isinstance(listing, list):
            return "sessionId" in first and "messages" in first and "agent" in first
        return any(_shown(one) or ("role" in one and "content" in one) for one in map(dict_of, listing[:4]))

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        listing = [dict_of(one) for one in list_of(obj.get(LIST))]
        if not any(_shown(one) for one in listing[:4]):
            return super().read(obj, file, state)
        items: list[Item] = []
        odd: list[str] = []
        first_text = "task" not in {one.get("say") for one in listing}
        for number, shown in enumerate(listing):
            if shown.get("partial") is True:
                continue
            said = Said(self.name)
            kind = text_of(shown.get("say") or shown.get("ask"))
            if kind == "text" and first_text and shown.get("type") == "say":
                kind, first_text = "task", False
            if not _say(kind, shown, said):
                odd.append(f"say={kind[:40]}")
            when = moment(shown.get("ts"))
            name = f"ts-{shown.get('ts')}-{kind}"
            items += [msgspec.structs.replace(item, id=name, timestamp=when, offset=number) for item in said.items]
        return Reading("document", items, unknown=odd)


QUIET = frozenset(
    {
        "api_req_started",
        "api_req_finished",
        "api_req_retried",
        "api_req_deleted",
        "api_req_rate_limit_wait",
        "checkpoint_saved",
        "checkpoint_created",
        "shell_integration_warning",
        "resume_task",
        "resume_completed_task",
        "task_progress",
        "mcp_server_request_started",
        "info",
        "deleted_api_reqs",
        "load_mcp_documentation",
        "clineignore_error",
        "browser_session_status",
        "codebase_search_result",
        "user_feedback_diff",
        "condense_context",
        "",
    }
)


def _shown(one: Object) -> bool:
    return one.get("type") in ("say", "ask") and ("say" in one or "ask" in one)


def _say(kind: str, shown: Object, said: Said) -> bool:
    """What one message on the screen says; False if nobody knows its kind."""
    text = text_of(shown.get("text"))
    if kind in PROMPTS:
        said.prompt(text)
    elif kind in ANSWERS:
        said.answer(text)
    elif kind == "reasoning":
        said.thought(text)
    elif kind in CALLS:
        said.call(_tool(text) or kind, text)
    elif kind in RESULTS:
        said.result(text)
    elif kind in ERRORS:
        said.add(Kind.ERROR, text)
    else:
        return kind in QUIET
    return True


def _tool(text: str) -> str:
    """The tool that a call's JSON names."""
    try:
        return text_of(dict_of(msgspec.json.decode(text)).get("tool")) if text.startswith("{") else ""
    except (msgspec.DecodeError, RecursionError):
        return ""
