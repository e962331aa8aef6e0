"""An export that holds all conversations, cut into one document for each, byte for byte. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_SPACE = re.compile(r"[\s,]*")
IDS = ("conversation_id", "sessionId", "session_id", "uuid", "id")
"""Fields that name a conversation, the surest first."""


class NoList(ValueError):
    """The text is no JSON list of objects."""


def conversations(text: str) -> Iterator[tuple[str, str]]:
    """Each object of a JSON list as it stands there, and its name ("" = it has none). Raises NoList.

    >>> list(conversations('[{"id": "a"}, {"uuid": "b"}]'))
    [('a', '{"id": "a"}'), ('b', '{"uuid": "b"}')]
    """
    start = _after(text, 0)
    if text[start : start + 1] != "[":
        raise NoList("the export does not begin with [")
    decoder = json.JSONDecoder()
    at = _after(text, start + 1)
    while text[at : at + 1] != "]":
        try:
            value, stop = decoder.raw_decode(text, at)
        except ValueError as error:
            raise NoList(f"the export is damaged at character {at}: {error}") from None
        if not isinstance(value, dict):
            raise NoList(f"there is no conversation at character {at}")
        yield named(value), text[at:stop]
        at = _after(text, stop)
    if text[at + 1 :].strip():
        raise NoList(f"there is more behind the list, at character {at + 1}")


def named(value: dict[str, object]) -> str:
    """The ID of a conversation; "" = it has none."""
    return next((told for name in IDS if isinstance(told := value.get(name), str) and len(told) >= 8), "")


def _after(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
