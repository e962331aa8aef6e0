"""What the kinds of entries are called, and which of them tools wrote. Pure."""

from __future__ import annotations

from mnemostream.contracts.http.search import Entry

YOU = frozenset({"prompt", "command", "plan", "steer", "comment", "reply", "local_command"})
OUTPUTS = frozenset({"tool_result", "local_output"})
"""Not Markdown: what a program printed."""


def who(entry: Entry) -> str:
    """Who speaks, or what it is.

    >>> who(Entry(None, "subagent_answer", "assistant", "", "", "", None))
    'subagent answer'
    """
    if entry.kind in YOU:
        return "you"
    return "assistant" if entry.kind == "answer" else entry.kind.replace("_", " ")
