"""JSON objects out of the lines of a transcript, damaged ones included. Pure.

A line is one object as a rule. Two objects spliced on one line (`}{`: a file without a final
newline was appended to), NUL runs and broken bytes give up the complete objects inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder()
_lenient = json.JSONDecoder(strict=False)

Object = dict[str, Any]


class Line(msgspec.Struct, frozen=True):
    """What one line holds: objects with their byte offset inside it, and how it is damaged ("" = sound)."""

    objects: list[tuple[int, Object]]
    damage: str = ""


DEEPEST = 200
"""Objects and lists within each other; what is deeper is too deep. Interpreters differ in what they can read (Python
3.11 stops near 1,000, later ones at their C stack), and what the archive says of a line must not depend on them."""
LIST = "[]"
"""The key of a document that is a list: it is read as an object with this one field."""
MOST_PREAMBLE = 4096
"""Bytes before the JSON of an export that are passed over: what the program has said of itself."""


def without_preamble(data: bytes) -> bytes:
    """A document without the lines that stand before its opening brace (`opencode export` writes one).

    >>> without_preamble(b"Exporting session: x\\n{\\n}")
    b'{\\n}'
    """
    at = 0
    while data[at : at + 1] not in (b"{", b"[", b""):
        newline = data.find(b"\n", at, at + MOST_PREAMBLE)
        if newline < 0 or newline > MOST_PREAMBLE:
            return data
        at = newline + 1
    return data[at:]


WORDS = "line"
"""The key under which a line of words is read."""


def words(line: bytes) -> Line:
    """A line of a transcript that is no JSON. Never raises."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    damage = "invalid_utf8" if "\ufffd" in text and b"\xef\xbf\xbd" not in line else "nul" if "\0" in text else ""
    return Line([(0, {WORDS: text.replace("\0", "\ufffd")})], damage)


def read(line: bytes, *, document: bool = False) -> Line:
    """The objects of one line. Never raises.

    A `document` is one object as a whole: the pieces of a broken one mean nothing. A line without its newline may
    be one that is being written: only what is complete from its beginning counts.
    """
    text = (without_preamble(line) if document else line).strip()
    if not text:
        return Line([], "blank" if line.strip(b"\r\n") or line in (b"\n", b"\r\n") else "")
    try:
        value = _decoder.decode(text)
    except RecursionError:
        return Line([], "too_deep")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Line([], "invalid_json") if document else _recover(line)
    if _too_deep(value, text.count(b"{") + text.count(b"[")):
        return Line([], "too_deep")
    if document and isinstance(value, list):
        value = {LIST: value}
    if isinstance(value, dict):
        return Line([(0, value)], "crlf" if line.endswith(b"\r\n") and not document else "")
    return Line([], "not_an_object")


def _recover(line: bytes) -> Line:
    """The complete objects in a line that is not one JSON object."""
    text = line.decode("utf-8", "replace")
    pieces = list(_objects(text, torn=not line.endswith(b"\n")))
    objects = []
    characters = offset = 0
    for at, _, value in pieces:
        offset += len(text[characters:at].encode("utf-8", "surrogatepass"))
        characters = at
        try:
            objects.append((offset, _clean(value)))
        except RecursionError:
            continue  # what comes after it is sound
    if b"\0" in line:
        damage = "nul"
    elif "\ufffd" in text and b"\xef\xbf\xbd" not in line:
        damage = "invalid_utf8"
    elif text.startswith("\ufeff"):
        damage = "bom"
    elif len(objects) > 1:
        damage = "splice"
    elif objects:
        at, end, _ = pieces[0]
        alone = not text[:at].strip() and not text[end:].strip()
        damage = "lone_surrogate" if alone else "garbage_beside_object"
    else:
        damage = "invalid_json"
    return Line(objects, damage)


def _objects(text: str, *, torn: bool) -> Iterator[tuple[int, int, Object]]:
    """Outermost complete objects with their places, left to right; after a broken one only whole records."""
    at = text.find("{")
    failures = 0
    while at >= 0:
        try:
            value, end = _lenient.raw_decode(text, at)
            if _too_deep(value, text.count("{", at, end) + text.count("[", at, end)):
                raise RecursionError
        except (ValueError, RecursionError):
            # A broken head is left behind at the next place where a record can start; the bound keeps
            # a hostile line (a million braces) from costing quadratic time.
            failures += 1
            if failures > 64 or torn:
                return
            following = text.find('{"', at + 1) if failures < 8 else _next_record(text, at + 1)
            at = following
            continue
        # A record inside a broken one (a copy in a progress record) is followed by the rest of that one.
        known = isinstance(value, dict) and (failures == 0 or _is_record(value, text[end : end + 1]))
        if known:
            yield at, end, value
        at = text.find("{", end)


def _too_deep(value: Any, brackets: int) -> bool:
    """True for more than DEEPEST levels; there are no more than there are `brackets`."""
    if brackets <= DEEPEST:
        return False
    level = [value]
    for _ in range(DEEPEST):
        level = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def _is_record(value: Object, following: str) -> bool:
    """True for an object after a broken one that is a record of its own."""
    return "type" in value and "uuid" in value and following.strip() in ("", "{", "\0")


def _next_record(text: str, start: int) -> int:
    places = [p for p in (text.find(h, start) for h in ('{"parentUuid"', '{"type"', '{"uuid"')) if p >= 0]
    return min(places, default=-1)


def _clean(value: Any) -> Any:
    """Lone surrogates become U+FFFD: they exist in JSON escapes and in no UTF-8 text."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
