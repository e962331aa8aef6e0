"""Secrets in what is captured: counted by kind and, where a person wants it so, replaced before it is published. Pure.

A line of JSON is looked at by itself. What is cut at any place (a fragment of a long line, an attachment) is looked at
with what lies before and after it, so that both halves of a secret are seen as one, from either side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from mnemostream.runtime.secrets.mask import replaced
from mnemostream.runtime.secrets.pieces import in_pieces, refusal
from mnemostream.runtime.secrets.scan import Scanner, Secret
from mnemostream.services.watcher.parsing.units import Unit


class Secrets(msgspec.Struct, frozen=True):
    """What was found in some bytes: counts by kind (None = nobody looked), the bytes to keep, and what is replaced in
    them, as offsets in the generation."""

    counts: dict[str, int] | None
    kept: bytes = b""
    replaced: list[tuple[int, int]] = []


NOT_LOOKED = Secrets(None)


class Cut(msgspec.Struct, frozen=True):
    """Bytes at `start` of a generation, and what lies around them if they begin or end within a line."""

    start: int
    data: bytes
    before: bytes = b""
    after: bytes = b""
    by_line: bool = True
    shared: bool = False
    """Count those in `before`, too: it is all that the generation shares with an earlier one."""


class Secrecy(msgspec.Struct, frozen=True):
    """How secrets are treated; without a scanner they are not looked for."""

    scanner: Scanner | None = None
    replace: bool = False

    def look(self, cut: Cut) -> Secrets:
        """Counts the secrets that end in the bytes; replaces all that begin, end or run through them."""
        if self.scanner is None:
            return NOT_LOOKED
        whole = cut.before + cut.data + cut.after if cut.before or cut.after else cut.data
        begin, end = len(cut.before), len(cut.before) + len(cut.data)
        seen = [s for s in _found(self.scanner, whole, by_line=cut.by_line) if s.start < end]
        found = [s for s in seen if s.stop > begin]
        counted = seen if cut.shared else found
        counts = dict(Counter(secret.kind for secret in counted if secret.stop <= end or not cut.after))
        if not self.replace or not found:
            return Secrets(counts, cut.data)
        moved = cut.start - begin
        spans = [(max(s.start, begin) + moved, min(s.stop, end) + moved) for s in found]
        return Secrets(counts, replaced(whole, found)[begin:end], spans)

    def kept(self, data: bytes) -> bytes:
        """Whole lines, or a document, as they are kept."""
        if self.scanner is None or not self.replace:
            return data
        found = _found(self.scanner, data, by_line=True)
        return replaced(data, found) if found else data

    def refuses(self, head: bytes, content: Iterable[bytes] | None) -> str:
        """Why a file cannot be published with its secrets replaced; "" if it can. Its first bytes, and the content of a
        compressed transcript, whose bytes cannot be changed in their place."""
        return refusal(head, content, self.scanner) if self.replace and self.scanner else ""

    def stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Bytes of any length as they are kept, piece by piece; a secret is never cut."""
        if self.scanner is None or not self.replace:
            return iter(pieces)
        return (kept for _, kept in in_pieces(pieces, self.scanner))

    def count(self, units: list[Unit]) -> Secrets:
        """Secrets in bytes that were compressed: they can be counted, and not replaced."""
        if self.scanner is None:
            return NOT_LOOKED
        counts: Counter[str] = Counter()
        for unit in units:
            counts.update(secret.kind for secret in _found(self.scanner, unit.data, by_line=True))
        return Secrets(dict(counts))


def _found(scanner: Scanner, data: bytes, *, by_line: bool) -> list[Secret]:
    return list(_in_lines(scanner, data)) if by_line else scanner.find(data)


def _in_lines(scanner: Scanner, data: bytes) -> Iterator[Secret]:
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        for secret in scanner.find(data[start:stop]):
            yield Secret(start + secret.start, start + secret.stop, secret.kind)
        start = stop
