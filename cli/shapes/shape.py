"""Keys and types of JSON, merged over many objects. Pure; no value and no name that a person chose is in it."""

from __future__ import annotations

import re
from typing import Any

MOST_KEYS = 60
"""An object with more keys is a table of names; so is one whose keys do not look like a program's."""
DEPTH = 12
NAME = "<name>"
_PROGRAMS = re.compile(r"[$_@]?[A-Za-z][A-Za-z]{0,30}([_.:-]?[A-Za-z]{1,30}){0,4}[0-9]?")

Shape = Any
"""The name of a type, `{"key": shape}`, `[shape]`, or a tuple of those that occur."""


def shape(value: object, depth: int = DEPTH) -> Shape:
    """The shape of one JSON value.

    >>> shape({"id": 3, "said": [{"text": "a secret"}, {"text": None}]})
    {'id': 'integer', 'said': [{'text': ('null', 'text')}]}
    """
    if isinstance(value, dict):
        if depth <= 0:
            return "object"
        told = {str(key): shape(one, depth - 1) for key, one in value.items()}
        if len(told) > MOST_KEYS or not all(_PROGRAMS.fullmatch(key) for key in told):
            names = [key for key in told if len(told) > MOST_KEYS or not _PROGRAMS.fullmatch(key)]
            kept = {key: one for key, one in told.items() if key not in names}
            return {**kept, NAME: merged([told[key] for key in names])}
        return told
    if isinstance(value, list):
        return [merged([shape(one, depth - 1) for one in value])] if value and depth > 0 else []
    return _type(value)


def _type(value: object) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "text")):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def merged(shapes: list[Shape]) -> Shape:
    """One shape for all: keys of any of them, types of all of them."""
    flat = [one for each in shapes for one in (each if isinstance(each, tuple) else (each,))]
    objects = [one for one in flat if isinstance(one, dict)]
    lists = [one for one in flat if isinstance(one, list)]
    found: list[Shape] = sorted({one for one in flat if isinstance(one, str)})
    if lists:
        inner = [one[0] for one in lists if one]
        found.append([merged(inner)] if inner else [])
    if objects:
        keys = dict.fromkeys(key for one in objects for key in one)
        found.append({key: merged([one[key] for one in objects if key in one]) for key in keys})
    return found[0] if len(found) == 1 else tuple(found)
