"""Operations on an object, as VS Code logs them. Pure."""

from __future__ import annotations

from typing import Any

from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of

WHOLE, SET, PUSH, DELETE = 0, 1, 2, 3
MOST_ITEMS = 100_000
"""Items of a list that an index may reach: a hostile one must not fill the memory."""


def applied(whole: Object, operation: Object) -> Object | None:
    """The object after one operation; None for one that nobody knows. May change `whole`.

    >>> applied({"a": [1, 2]}, {"kind": 2, "k": ["a"], "v": [3], "i": 1})
    {'a': [1, 3]}
    """
    kind, path, value = operation.get("kind"), list_of(operation.get("k")), operation.get("v")
    if kind == WHOLE:
        return dict_of(value)
    if kind not in (SET, PUSH, DELETE) or not path:
        return None
    parent: Any = whole
    for key in path[:-1]:
        parent = _at(parent, key)
    last = path[-1]
    if kind == SET:
        _put(parent, last, value)
    elif kind == PUSH:
        listing = _at(parent, last)
        if not isinstance(listing, list):
            _put(parent, last, listing := [])
        if isinstance(at := operation.get("i"), int) and 0 <= at < len(listing):
            del listing[at:]
        listing.extend(list_of(value))
    elif isinstance(parent, dict):
        parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int) and 0 <= last < len(parent):
        del parent[last]
    return whole


def _at(parent: Any, key: Any) -> Any:
    if isinstance(parent, dict) and isinstance(key, str):
        return parent.get(key)
    if isinstance(parent, list) and isinstance(key, int) and 0 <= key < len(parent):
        return parent[key]
    return None


def _put(parent: Any, key: Any, value: Any) -> None:
    if isinstance(parent, dict) and isinstance(key, str):
        parent[key] = value
    elif isinstance(parent, list) and isinstance(key, int) and 0 <= key <= min(len(parent), MOST_ITEMS):
        parent[key : key + 1] = [value]
