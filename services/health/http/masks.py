"""Secrets in answers: masked, unless a request asks to see them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

from archive.render import fragments
from contracts.http.search import SessionPage
from runtime.secrets.mask import masked_value
from runtime.secrets.scan import scanner
from services.health.http.problems import json_answer


class Masks:
    """Encodes bodies that show content. Raises Misconfigured for rules that cannot be read."""

    def __init__(self, rules: str) -> None:
        self._scanner = scanner(rules)

    def answer(self, body: msgspec.Struct, *, reveal: bool) -> Response[bytes]:
        """The body, with `[secret: KIND]` in the place of each secret unless they are to be revealed."""
        return json_answer(msgspec.json.encode(self._shown(body, reveal=reveal)))

    def page(self, body: SessionPage, *, reveal: bool) -> Response[bytes]:
        """A page of a session with each entry as HTML too, made from what is shown."""
        shown = msgspec.convert(self._shown(body, reveal=reveal), SessionPage)
        entries = [
            msgspec.structs.replace(entry, html=fragments.text(entry) if entry.text else "") for entry in shown.entries
        ]
        return json_answer(msgspec.json.encode(msgspec.structs.replace(shown, entries=entries)))

    def _shown(self, body: msgspec.Struct, *, reveal: bool) -> Any:
        value = msgspec.to_builtins(body)
        return value if reveal else masked_value(value, self._scanner)
