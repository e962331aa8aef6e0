"""What is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mnemostream.contracts.http.search import Hit, Searched
from mnemostream.contracts.requests import EmbedReply

__all__ = ["CannotSearch", "Embed", "Hit", "Searched"]


class CannotSearch(Exception):
    """The text says what to do."""


Embed = Callable[[str, float], Awaitable[EmbedReply]]
"""Turns a text into a vector within so many seconds. Raises CannotSearch."""
