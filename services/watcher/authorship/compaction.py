"""Gemini CLI's compaction: what a `$set` of messages puts in the place of those it has summed up. Pure.

It brings new IDs for all of it: the model's summary, the program's thanks for it, and copies of the last turns. Read
off a real file; https://github.com/google-gemini/gemini-cli, packages/core/src/services/chatCompressionService.ts.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from mnemostream.services.watcher.authorship.texts import Object, blocks_of, dict_of, joined, list_of, text_of

SUMMARY, THANKS = "summary", "thanks"
"""Types of messages that no person and no model has said."""
_SNAPSHOT = re.compile(r"\s*(<scratchpad>.*?</scratchpad>\s*)?<state_snapshot>", re.DOTALL)
_THANKS = "Got it. Thanks for the additional context!"

Said = tuple[str, str, tuple[str, ...]]
"""Type, visible text and calls of a message: what a copy of it has in common with it."""


def said_of(message: Object) -> Said:
    """Of one message."""
    visible = joined([block for block in blocks_of(message.get("content")) if block.get("thought") is not True])
    calls = tuple(text_of(dict_of(call).get("id")) for call in list_of(message.get("toolCalls")))
    return text_of(message.get("type")), visible.strip(), calls


def compacted(messages: list[Object], known: Iterable[tuple[str, Said]], old: Container[str]) -> list[Object]:
    """The messages of a `$set`, without the copies of earlier ones; the summary and the thanks have types of their own.

    `known` are ID and content of all messages so far, `old` their IDs. Without a summary all are as they stand.
    """
    start = next(
        (n for n, one in enumerate(messages) if one.get("type") == "user" and _SNAPSHOT.match(said_of(one)[1])), None
    )
    if start is None:
        return messages
    after = start + 1
    thanks = after < len(messages) and said_of(messages[after])[:2] == ("gemini", _THANKS)
    listed = {text_of(one.get("id")) for one in messages}
    earlier = [said for name, said in known if name not in listed]
    copies: set[int] = set()
    for number in range(len(messages) - 1, after + thanks - 1, -1):  # the last turns, from the end backwards
        if text_of(messages[number].get("id")) in old:
            continue
        said = said_of(messages[number])
        place = next((n for n in range(len(earlier) - 1, -1, -1) if earlier[n] == said), None)
        if place is not None:
            copies.add(number)
            del earlier[place:]
    kept = {start: SUMMARY, **({after: THANKS} if thanks else {})}
    return [
        {**one, "type": kept[number]} if number in kept else one
        for number, one in enumerate(messages)
        if number not in copies
    ]
