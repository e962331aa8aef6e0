"""Values of SQLite as JSON, exactly: `plain` of services/watcher/formats/rows/base.py reads them. Pure.

| SQLite | JSON |
|---|---|
| NULL, INTEGER | `null`, a number |
| REAL | `{"r": "3ff0000000000000"}`, its IEEE 754 bits: −0.0 and 1.0 beside 1 survive |
| TEXT | a string; `{"t": base64}` where it is no UTF-8 |
| BLOB | `{"b": base64}` |
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
FORMAT = 1
"""Version of a row log's lines."""


class Odd:
    """A TEXT that is no UTF-8."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def text(data: bytes) -> str | Odd:
    """What `sqlite3` makes of a TEXT: `text_factory`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Odd(data)


def told(value: Any) -> Any:
    """One value as JSON has it."""
    if isinstance(value, float):
        return {"r": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"b": base64.b64encode(value).decode()}
    if isinstance(value, Odd):
        return {"t": base64.b64encode(value.data).decode()}
    return value


def encoded(values: Sequence[Any]) -> bytes:
    """A list of values as JSON."""
    if any(type(value) in (float, bytes, Odd) for value in values):
        values = [told(value) for value in values]
    return _encoder.encode(values)


def stored(value: Any) -> Any:
    """A value of a line as SQLite takes it: what `told` was given. A TEXT that is no UTF-8 is `Odd`."""
    if not isinstance(value, dict):
        return value
    if "r" in value:
        return struct.unpack(">d", bytes.fromhex(value["r"]))[0]
    return base64.b64decode(value["b"]) if "b" in value else Odd(base64.b64decode(value["t"]))


def digest(data: bytes) -> bytes:
    """16 bytes that tell two states of a row apart."""
    return hashlib.blake2b(data, digest_size=16).digest()


def state_line(table: str, key: bytes, values: bytes) -> bytes:
    """The line of a state of a row; `key` and `values` are encoded."""
    return b'{"t":%s,"k":%s,"v":%s}\n' % (_encoder.encode(table), key, values)


def part_line(table: str, key: bytes, part: str) -> bytes:
    """The line of a part of a row's value that is a session of its own."""
    return b'{"t":%s,"k":%s,"of":true,"j":%s}\n' % (_encoder.encode(table), key, _encoder.encode(part))


def gone_line(table: str, key: bytes) -> bytes:
    """The line of a row that is gone."""
    return b'{"t":%s,"k":%s,"gone":true}\n' % (_encoder.encode(table), key)


def header_line(schema: dict[str, str], columns: dict[str, list[str]], facts: dict[str, str]) -> bytes:
    """The first line of a row log, and of what follows a change of the schema."""
    return _encoder.encode({"schema": schema, "columns": columns, **facts, "format": FORMAT}) + b"\n"
