"""Aider's history: one Markdown file a repository, appended by every run. Pure.

    # aider chat started at 2026-05-25 17:46:10      local time, of no zone
    #### Reply with exactly the word: first          what was typed; several lines of it are one prompt
    first                                            the answer
    > Tokens: 2.5k sent, 1 received.                 what the program said

https://aider.chat/docs/config/options.html (`--chat-history-file`); read off real files.
"""

from __future__ import annotations

import re

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, text_of
from mnemostream.services.watcher.formats.base import Context, Reading, State
from mnemostream.services.watcher.formats.lines import WORDS
from mnemostream.services.watcher.formats.markdown.blocks import Block, Blocks

STARTED = re.compile(r"# aider chat started at (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")
PROMPT, SAID = "#### ", ">"


class Aider(Blocks):
    """Lines by their first characters."""

    name = "aider"

    def context(self, path: str, first: Object | None = None) -> Context:
        return Context(path.rpartition("/")[0].replace("/", "-") or super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        return bool(STARTED.match(text_of(first.get(WORDS))))

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        line = text_of(obj.get(WORDS))
        if not isinstance(state, Block):
            return Reading("line")
        if started := STARTED.match(line):
            ended = self.begin(state, None)
            state.when = f"{started[1]}T{started[2]}"
            return Reading("started", ended)
        kind = self._kind(line, state)
        items = self.begin(state, kind) if kind is not state.kind else []
        text = line if kind is Kind.ANSWER else line.removeprefix(PROMPT).removeprefix("> ").rstrip()
        return Reading(kind.value if kind else "blank", [*items, *self.add(state, text, file)])

    def _kind(self, line: str, state: Block) -> Kind | None:
        if line.startswith(PROMPT):
            if state.kind in (Kind.PROMPT, Kind.COMMAND):
                return state.kind
            return Kind.COMMAND if line.startswith(f"{PROMPT}/") else Kind.PROMPT
        if line.startswith(SAID):
            return Kind.LOCAL_OUTPUT
        if line.strip():
            return Kind.ANSWER
        return state.kind if state.kind is Kind.ANSWER else None
