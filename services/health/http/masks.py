"""Secrets in answers: masked, unless a request asks to see them."""

from __future__ import annotations

import msgspec
from litestar import Response

from mnemostream.runtime.secrets.mask import masked_value
from mnemostream.runtime.secrets.scan import scanner
from mnemostream.services.health.http.problems import json_answer


class Masks:
    """Encodes bodies that show content. Raises Misconfigured for rules that cannot be read."""

    def __init__(self, rules: str) -> None:
        self._scanner = scanner(rules)

    def answer(self, body: msgspec.Struct, *, reveal: bool) -> Response[bytes]:
        """The body, with `[secret: KIND]` in the place of each secret unless they are to be revealed."""
        shown = body if reveal else masked_value(msgspec.to_builtins(body), self._scanner)
        return json_answer(msgspec.json.encode(shown))
