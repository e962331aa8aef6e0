"""A JSON text too large for memory: all of its structure, the beginning of each of its texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPECIAL = re.compile(rb'["\\]')


class TooLarge(Exception):
    """Even with its strings cut the text exceeds the budget."""


def shrink(  # noqa: C901, PLR0915 - one automaton: its few states share all of its variables
    pieces: Iterable[bytes], keep: int, budget: int
) -> bytes:
    """`pieces` joined, each string cut after about `keep` bytes; well-formed if the whole is.

    Raises TooLarge when more than `budget` bytes remain.

    >>> shrink([b'{"a":"01234', b'56789","b":1}'], 4, 100)
    b'{"a":"0123","b":1}'
    """
    out = bytearray()
    inside = False
    kept = 0
    rest = b""
    for piece in pieces:
        data = rest + piece
        rest = b""
        at = 0
        while at < len(data):
            if not inside:
                # Outside of strings nothing is cut: structure and numbers must survive as they are.
                quote = data.find(b'"', at)
                stop = len(data) if quote < 0 else quote + 1
                out += data[at:stop]
                at, inside, kept = stop, quote >= 0, 0
                continue
            special = _SPECIAL.search(data, at)
            stop = special.start() if special else len(data)
            if kept < keep and stop > at:
                limit = min(stop, at + keep - kept)
                run = _whole_characters(data[at:limit])
                out += run
                if limit == len(data) and limit < at + keep - kept and len(run) < limit - at:
                    rest = data[at + len(run) :]  # the character goes on in the next piece
                    kept += len(run)
                    break
                kept = keep if len(run) < stop - at else kept + len(run)  # no hole in the middle of a string
            at = stop
            if special is None:
                break
            if data[at : at + 1] == b'"':
                out += b'"'
                at, inside = at + 1, False
                continue
            # An escape is kept or left out as a whole: half of one would make the line unreadable.
            length = 6 if data[at + 1 : at + 2] == b"u" else 2
            if at + length > len(data) or len(data) - at < 2:
                rest = data[at:]
                break
            if kept < keep:
                out += data[at : at + length]
                kept += length
            at += length
        if len(out) > budget:
            raise TooLarge
    return bytes(out + rest)


def _whole_characters(run: bytes) -> bytes:
    """`run` without a character of UTF-8 that is cut at its end."""
    end = len(run)
    while end and end > len(run) - 4 and run[end - 1] & 0xC0 == 0x80:
        end -= 1
    if end and run[end - 1] >= 0xC0:
        lead = run[end - 1]
        wanted = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        return run if len(run) - end + 1 == wanted else run[: end - 1]
    return run
