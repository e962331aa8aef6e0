"""Author and witness of a record of the user's role: one function for each family of assistants. Pure."""

from __future__ import annotations

import re

import msgspec

from mnemostream.services.watcher.authorship.heads import Author, head_of
from mnemostream.services.watcher.authorship.texts import Object, joined

CLAUDE_ORIGINS = {
    "human": Author.PERSON,
    "channel": Author.PERSON,  # a person who writes through a chat
    "slack-ping": Author.PERSON,
    "voice-call": Author.PERSON,
    "unclassified": None,
    "task-notification": Author.HARNESS,
    "auto-continuation": Author.HARNESS,
    "cron": Author.HARNESS,
    "loop": Author.HARNESS,
    "system": Author.HARNESS,
    "hook": Author.HOOK,
    "peer": Author.AGENT,
    "coordinator": Author.AGENT,
    "observer": Author.AGENT,
    "observer-activity": Author.AGENT,
    "agent": Author.AGENT,
    "teammate": Author.AGENT,
    "cross-session": Author.AGENT,
}
"""`origin.kind`, Claude Code from 2.1.119; None = it does not say. The types of @anthropic-ai/claude-agent-sdk 0.3.332,
and what readers of transcripts check."""

CLAUDE_SOURCES = frozenset({"typed", "queued", "suggestion_accepted", "sdk", "user", "system"})
"""`promptSource`, Claude Code from 2.1.170. `sdk` stands on notifications, too: only `system` decides."""

CLAUDE_TURNS = {
    "human": None,
    "sdk": None,
    "unknown": None,
    "peer": Author.AGENT,
    "scheduled": Author.HARNESS,
    "task_notification": Author.HARNESS,
    "system": Author.HARNESS,
}
"""`turnOrigin`, Claude Code from 2.1.278."""

CLAUDE_MACHINE = ("isVirtual", "textNotTyped", "wakeupSource", "scheduledTaskId")
"""Fields that no words of a person have; @anthropic-ai/claude-agent-sdk 0.3.332."""

COPILOT_PERSONS = frozenset({"", "user", "human", "command"})
COPILOT_MACHINES = ("skill", "agent", "autopilot", "system", "hook", "tool", "instruction")
"""Beginnings of `source`; the types of github/copilot-sdk, vshulcz/deja-vu#3305."""

QWEN_PROVENANCES = {
    "real_user": Author.PERSON,
    "external_agent": Author.AGENT,
    "assistant_output": Author.ASSISTANT,
    "tool_result": Author.TOOL,
    "execution_output": Author.TOOL,
    "goal_control": Author.HARNESS,
    "goal_runtime": Author.HARNESS,
    "system": Author.HARNESS,
}
"""`provenance`, Qwen Code from 0.20; QwenLM/qwen-code, chatRecordingService.ts."""

QWEN_SUBTYPES = {
    "mid_turn_user_message": Author.PERSON,
    "realtime_message": Author.PERSON,  # spoken
    "notification": Author.HARNESS,
    "background_task_completed": Author.HARNESS,
    "cron": Author.HARNESS,
    "goal_runtime": Author.HARNESS,
    "agent_retry": Author.HARNESS,
    "agent_bootstrap": Author.AGENT,
    "agent_launch_prompt": Author.AGENT,
    "agent_message": Author.AGENT,
}
"""`subtype` of lines of the user's role; the same file."""

NOTICES = frozenset(
    {
        "origin.kind=task-notification",
        "turnOrigin=task_notification",
        "head <task-notification>",
        'head {"task_id"',
        "head <ci-monitor-event",
    }
)
"""Witnesses of messages about tasks in the background."""

TAG = re.compile(r"\A\s*<([a-z][\w-]*)(?:\s[^>]*)?>.*</\1>\s*\Z", re.DOTALL)


class Authorship(msgspec.Struct, frozen=True):
    """Who wrote a record, and which witness says so."""

    author: Author
    why: str
    unknown: str = ""
    """A witness whose value nobody knows, as `field=value`: counted, and named to the operator."""

    @property
    def notice(self) -> bool:
        """True for a message that the assistant answers: of another agent, or about a task in the background."""
        return self.author is Author.AGENT or self.why in NOTICES

    @property
    def person(self) -> bool:
        """True for the words of a person."""
        return self.author is Author.PERSON


def of_claude(obj: Object, text: str) -> Authorship:
    """Claude Code: origin, turnOrigin, promptSource, fields of machines, isMeta, then the head of the text."""
    given = obj.get("origin")
    origin = _value(given.get("kind") if isinstance(given, dict) else given)
    source, turn = _value(obj.get("promptSource")), _value(obj.get("turnOrigin"))
    tables = (
        ("origin.kind", origin, CLAUDE_ORIGINS),
        ("promptSource", source, CLAUDE_SOURCES),
        ("turnOrigin", turn, CLAUDE_TURNS),
    )
    strange = " ".join(f"{field}={value}" for field, value, table in tables if value and value not in table)
    if origin != "channel" and (head := head_of(text, "claude-code", despite=True)):
        return Authorship(head.author, f"head {head.text}", strange)
    if known := CLAUDE_ORIGINS.get(origin):
        return Authorship(known, f"origin.kind={origin}", strange)
    if known := CLAUDE_TURNS.get(turn):
        return Authorship(known, f"turnOrigin={turn}", strange)
    if source == "system":
        return Authorship(Author.HARNESS, "promptSource=system", strange)
    if field := next((name for name in CLAUDE_MACHINE if obj.get(name)), ""):
        return Authorship(Author.HARNESS, field, strange)
    if obj.get("isMeta") is True:
        return Authorship(Author.HARNESS, "isMeta", strange)
    if head := head_of(text, "claude-code"):
        return Authorship(head.author, f"head {head.text}", strange)
    return Authorship(Author.PERSON, "default", strange)


def of_codex(text: str, *, event: bool) -> Authorship:
    """Codex: an event of the screen is a person's, whatever the item beside it; an item without one is judged by its
    head, and by being nothing but markup."""
    if head := head_of(text, "codex"):
        return Authorship(head.author, f"head {head.text}")
    if event:
        return Authorship(Author.PERSON, "event user_message")
    if tag := TAG.match(text):
        return Authorship(Author.HARNESS, "markup without an event", f"tag={tag[1][:40]}")
    return Authorship(Author.PERSON, "default")


def of_copilot(data: Object) -> Authorship:
    """Copilot CLI: `source` and `isAutopilotContinuation` of a user message, then its head."""
    source = _value(data.get("source"))
    if data.get("isAutopilotContinuation") is True:
        return Authorship(Author.HARNESS, "isAutopilotContinuation")
    if source.startswith(COPILOT_MACHINES):
        return Authorship(Author.AGENT if source.startswith("agent") else Author.HARNESS, f"source={source}")
    if head := head_of(joined(data.get("content")), "copilot"):
        return Authorship(head.author, f"head {head.text}")
    unknown = "" if source in COPILOT_PERSONS else f"source={source}"
    return Authorship(Author.PERSON, f"source={source}" if source else "default", unknown)


def of_qwen(obj: Object, text: str) -> Authorship:
    """Qwen Code: `provenance`, then `subtype` and `agentId`, then the head of the text."""
    provenance, subtype = _value(obj.get("provenance")), _value(obj.get("subtype"))
    tables = (("provenance", provenance, QWEN_PROVENANCES), ("subtype", subtype, QWEN_SUBTYPES))
    strange = " ".join(f"{field}={value}" for field, value, table in tables if value and value not in table)
    for field, value, table in tables:
        if known := table.get(value):
            if known is Author.PERSON and obj.get("agentId"):
                break
            return Authorship(known, f"{field}={value}", strange)
    if obj.get("agentId"):
        return Authorship(Author.AGENT, "agentId", strange)
    return Authorship(Author.HARNESS, strange, strange) if strange else of_text(text, "qwen")


def of_text(text: str, family: str) -> Authorship:
    """Families whose structure says the rest: by the head alone."""
    head = head_of(text, family)
    return Authorship(head.author, f"head {head.text}") if head else Authorship(Author.PERSON, "default")


def _value(value: object) -> str:
    """A witness as a text; one of a strange shape is a value that nobody knows."""
    if value is None or value == "":
        return ""
    return "_".join(value.split())[:40] if isinstance(value, str) else type(value).__name__
