"""Heads of texts that a program writes into the user's role: the last witness, one table. Pure.

`seen` is the version of the assistant, and where it was seen: `corpus` are the transcripts that the tests read,
a name is a public repository or issue.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Author(StrEnum):
    """Who wrote a record."""

    PERSON = "person"
    ASSISTANT = "assistant"
    TOOL = "tool"
    HARNESS = "harness"  # the assistant's program
    AGENT = "agent"  # another agent or session
    HOOK = "hook"


class Head(msgspec.Struct, frozen=True):
    """The beginning of a text, who wrote it, in which family, where it was seen."""

    text: str
    author: Author
    families: str
    seen: str
    despite: bool = False
    """True if it holds although the record names a person as its origin."""


CLAUDE, CODEX, ALL = "claude-code qwen", "codex", "*"

SDK = "Claude Code 2.1.278, @anthropic-ai/claude-agent-sdk 0.3.332"
FRAGMENT = "Codex 0.150, openai/codex, context fragments"

HEADS = (
    Head("<task-notification>", Author.HARNESS, ALL, "Claude Code 2.0.60, corpus"),
    Head('{"task_id"', Author.HARNESS, CLAUDE, "Claude Code 2.0.60, public transcripts"),
    Head("[SYSTEM NOTIFICATION - NOT USER INPUT]", Author.HARNESS, CLAUDE, SDK),
    Head("<ci-monitor-event", Author.HARNESS, CLAUDE, "Claude Code 2.1.170, corpus: its origin says human", True),
    Head("<teammate-message", Author.AGENT, CLAUDE, "Claude Code 2.1.30, anthropics/claude-code#75190", True),
    Head("<cross-session-message", Author.AGENT, CLAUDE, "Claude Code 2.1.200, anthropics/claude-code#86385", True),
    Head("<agent-message", Author.AGENT, CLAUDE, SDK, True),
    Head("<coordinator-relay", Author.AGENT, CLAUDE, SDK),
    Head("<remote-review", Author.HARNESS, CLAUDE, SDK),
    Head("<tick>", Author.HARNESS, CLAUDE, SDK),
    Head("Another Claude session sent a message:\n<", Author.AGENT, CLAUDE, SDK, True),
    Head("[Cross-session idle notice]", Author.HARNESS, CLAUDE, SDK),
    Head("[Subagent hand-back]", Author.AGENT, CLAUDE, SDK),
    Head("<user-prompt-submit-hook>", Author.HOOK, CLAUDE, SDK),
    Head("Stop hook feedback:\n", Author.HOOK, CLAUDE, "Claude Code 2.0.40, public transcripts"),
    Head("Base directory for this skill:", Author.HARNESS, ALL, "Claude Code 2.0.20, corpus"),
    Head("<local-command-caveat>", Author.HARNESS, CLAUDE, "Claude Code 2.1.0, corpus"),
    Head("Caveat: The messages below were generated", Author.HARNESS, CLAUDE, "Claude Code 1.0, corpus"),
    Head("This session is being continued from a previous conversation", Author.HARNESS, CLAUDE, "2.0, corpus"),
    Head("[Your previous response had no visible output", Author.HARNESS, CLAUDE, "Claude Code 2.1, corpus"),
    Head("Your claude.ai usage limit has reset", Author.HARNESS, CLAUDE, SDK),
    Head("<skill-context", Author.HARNESS, ALL, "Copilot CLI 0.0.400, vshulcz/deja-vu#3305"),
    Head("<system_notification>", Author.HARNESS, "copilot", "Copilot CLI 1.0, corpus"),
    Head("<skill>", Author.HARNESS, CODEX, "Codex 0.90, corpus"),
    Head("# AGENTS.md instructions", Author.HARNESS, CODEX, "Codex 0.60, corpus"),
    Head("<INSTRUCTIONS>", Author.HARNESS, CODEX, "Codex 0.60, corpus"),
    Head("<environment_context>", Author.HARNESS, CODEX, "Codex 0.42, corpus"),
    Head("<permissions instructions>", Author.HARNESS, CODEX, "Codex 0.98, corpus"),
    Head("<recommended_plugins>", Author.HARNESS, CODEX, "Codex 0.142, corpus"),
    Head("<user_instructions>", Author.HARNESS, CODEX, "Codex 0.42, public transcripts"),
    Head("<turn_aborted>", Author.HARNESS, CODEX, "Codex 0.100, corpus"),
    Head("<subagent_notification>", Author.AGENT, CODEX, "Codex 0.100, public transcripts"),
    Head("<agent_message_board_notification>", Author.AGENT, CODEX, FRAGMENT),
    Head("<codex_internal_context", Author.HARNESS, CODEX, "Codex 0.150, kenn-io/agentsview#886"),
    Head("<goal_context>", Author.HARNESS, CODEX, FRAGMENT),
    Head("<extension_context>", Author.HARNESS, CODEX, FRAGMENT),
    Head("<external_", Author.HARNESS, CODEX, FRAGMENT),
    Head("<hook_prompt", Author.HOOK, CODEX, FRAGMENT),
    Head("<hook_context>", Author.HOOK, CODEX, FRAGMENT),
    Head("<user_action>", Author.HARNESS, CODEX, "Codex 0.50, openai/codex: the result of a review"),
    Head("Another language model started to solve this problem", Author.HARNESS, CODEX, "Codex 0.60, openai/codex"),
    Head("Warning: The maximum number of unified exec processes", Author.HARNESS, CODEX, FRAGMENT),
    Head("Warning: apply_patch was requested via exec_command", Author.HARNESS, CODEX, FRAGMENT),
    Head("Warning: Your account was flagged", Author.HARNESS, CODEX, FRAGMENT),
    Head("System: Please continue.", Author.HARNESS, "gemini qwen", "Gemini CLI 0.20, corpus"),
)


def head_of(text: str, family: str, *, despite: bool = False) -> Head | None:
    """The head with which a text of this family begins; with `despite` only one that overrules its record's origin."""
    start = text.lstrip()
    return next(
        (
            head
            for head in HEADS
            if (head.despite or not despite)
            and (head.families == ALL or family in head.families.split())
            and start.startswith(head.text)
        ),
        None,
    )
