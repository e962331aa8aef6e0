"""What a program puts before, around and beside the words of a person; the words are what counts. Pure."""

from __future__ import annotations

import re

import msgspec

IMAGE = r"<image(?: [^>]*)?>|</image>"
MARK = r"\[Image #\d+\]"

ANYWHERE = {
    "claude-code": re.compile(
        r"<(ide_opened_file|ide_selection|ide_diagnostics|system-reminder)>.*?</\1>",
        re.DOTALL,
    ),
    "qwen": re.compile(
        r"<(system-reminder|qwen:user-prompt-submit-context)>.*?</\1>"
        r"|\A\s*\[User message received during tool execution\]:",
        re.DOTALL,
    ),
    "codex": re.compile(rf"{IMAGE}|{MARK}|<(system-reminder)>.*?</\1>", re.DOTALL),
}
"""Stripped wherever they stand; other families: system reminders."""

AT_EDGES = re.compile(
    r"<(environment_context|user_instructions|permissions instructions|recommended_plugins|current_datetime|"
    r"session_context|hook_context|system_reminder|reminder|attached_files|collaboration_mode|apps_instructions|"
    r"skills_instructions|plugins_instructions|in-app-browser-context|sql_tables|timestamp|editor_context|"
    r"open_files|environment_details|user_info|ADDITIONAL_METADATA|USER_SETTINGS_CHANGE|system-reminder|"
    r"additional_data|attached_file|current_file|rules|manually_added_selection)(?: [^>]*)?>.*?</\1>"
    r"|<(INSTRUCTIONS)>.*?</\2>"
    r"|# AGENTS\.md instructions[^\n]*",
    re.DOTALL,
)
"""Context that stands whole before or after the words, in any family but Claude Code's."""

REQUEST = re.compile(
    r"\A\s*# (?:Context from my IDE setup|Files mentioned by the user)\b.*?^## My request(?: for Codex)?:[ \t]*\n?",
    re.DOTALL | re.MULTILINE,
)
"""The Codex extension of editors: files, tabs and selections, then the words."""

AROUND = re.compile(
    r"\A\s*<(channel|user_query|user_message|pasted_content|task|feedback|USER_REQUEST)(?: [^>]*)?>\n?"
    r"(.*?)\n?</\1>\s*\Z",
    re.DOTALL,
)
"""A tag around the words: chat channels of Claude Code, prompts of Cursor, Cline and Antigravity."""


class Words(msgspec.Struct, frozen=True):
    """What a person wrote, and what a program put beside it."""

    text: str
    context: str = ""


def unwrapped(text: str, family: str) -> Words:
    """The words, trimmed, and the wrappers that were taken off them, joined by newlines.

    >>> unwrapped("<system-reminder>x</system-reminder>fix it", "claude-code")
    Words(text='fix it', context='<system-reminder>x</system-reminder>')
    """
    context: list[str] = []

    def aside(match: re.Match[str]) -> str:
        context.append(match[0].strip())
        return ""

    words = ANYWHERE.get(family, ANYWHERE["claude-code"]).sub(aside, text)
    if family != "claude-code":
        words = _edges(words, context)
    if around := AROUND.match(words):
        context.append(words[: around.start(2)].strip())
        words = around[2]
    return Words(words.strip(), "\n".join(filter(None, context)))


def _edges(text: str, context: list[str]) -> str:
    words = text.strip()
    if request := REQUEST.match(words):
        context.append(request[0].strip())
        words = words[request.end() :].strip()
    while match := AT_EDGES.match(words):
        context.append(match[0])
        words = words[match.end() :].lstrip()
    while match := next((m for m in AT_EDGES.finditer(words) if m.end() == len(words)), None):
        context.append(match[0])
        words = words[: match.start()].rstrip()
    return words


def without_marks(text: str) -> str:
    """A text for comparing two copies of it: no wrappers, image marks or white space."""
    return re.sub(rf"{IMAGE}|{MARK}|\s+", "", unwrapped(text, "codex").text)
