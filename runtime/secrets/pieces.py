"""Secrets in what is read piece by piece, and in what cannot be changed in its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mnemostream.runtime.disk import packed
from mnemostream.runtime.secrets.mask import replaced
from mnemostream.runtime.secrets.scan import Scanner

CONTEXT = 128 * 1024
"""Bytes before and after a cut that are looked at with it; longer than the longest key."""
UNREADABLE = (
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf",
)
"""How files begin in which no secret can be seen: UTF-16, and what is compressed."""


def in_pieces(pieces: Iterable[bytes], scanner: Scanner) -> Iterator[tuple[bytes, bytes]]:
    """Bytes of any length as they are, and as they are kept; a secret is never cut."""
    rest = b""
    for piece in pieces:
        rest += piece
        if len(rest) < 4 * CONTEXT:
            continue
        found = scanner.find(rest)
        cut = len(rest) - CONTEXT
        cut = min((secret.start for secret in found if secret.start < cut < secret.stop), default=cut)
        yield rest[:cut], replaced(rest, found)[:cut]
        rest = rest[cut:]
    yield rest, replaced(rest, scanner.find(rest))


def refusal(head: bytes, content: Iterable[bytes] | None, scanner: Scanner) -> str:
    """Why a file cannot be published with its secrets replaced; "" if it can. Its first bytes, and, for a compressed
    transcript, its content: nothing in it can be changed in its place."""
    if content is None:
        return "compressed or not UTF-8, and secrets are to be replaced" if head.startswith(UNREADABLE) else ""
    try:
        if any(kept != piece for piece, kept in in_pieces(content, scanner)):
            return "compressed, and holds secrets that are to be replaced"
    except packed.Damaged:
        return "compressed and damaged, and secrets are to be replaced"
    return ""
