"""Lines of a row log to records: a row that is written again is another revision of its records. Pure."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

import msgspec

from mnemostream.contracts.transcripts import OPENERS
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, identifier, unknown

FORMAT = 1
"""Version of the lines of a row log."""


class Place(msgspec.Struct):
    """Where the records of a row were first told, and their last content."""

    digest: bytes
    exchange: str
    revision: int = 0


class Rows(State):
    """Columns of each table, and what was told of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[str, list[str]] = {}
        self.places: dict[str, Place] = {}
        self.facts: dict[str, str] = {}
        """What rows of one table must know of rows of another: the role of a message."""


class Row(msgspec.Struct, frozen=True):
    """One state of a row: values by column, as Python has them; bytes where they are no UTF-8."""

    table: str
    key: str
    values: dict[str, Any]

    def text(self, *columns: str) -> str:
        """The first of some columns that holds a text."""
        return next((v for c in columns if isinstance(v := self.values.get(c), str) and v), "")

    def json(self, *columns: str) -> Any:
        """The value of the JSON in the first of some columns that holds a text; None if it is none."""
        return decoded(self.text(*columns))

    def first(self, *columns: str) -> Any:
        """The first of some columns that is not null."""
        return next((v for c in columns if (v := self.values.get(c)) is not None), None)


class RowsOnly(Format):
    """What stands beside the rows of a dialect that has no files: nothing that can be read."""

    def sniff(self, first: Object) -> bool:
        return False

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        return Reading(unknown(obj.get("type")))


class RowFormat(Format):
    """A dialect whose sessions are rows. The class after it in a list of bases reads what is no row: files of an older
    kind, or `RowsOnly`."""

    def context(self, path: str, first: Object | None = None) -> Context:
        return self.row_context(dict_of(first)) or super().context(path, first)

    def state(self) -> State:
        return Rows()

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        return self.read_row(obj, file, state) if self.is_row(obj) else super().read(obj, file, state)

    def is_row(self, obj: Object) -> bool:
        """True for a line of a row log."""
        return ("format" in obj and "schema" in obj) or ("t" in obj and "k" in obj)

    def row_context(self, first: Object) -> Context | None:
        """Session and role by the first line of a row log; None for a file of another kind."""
        if "schema" in first and "format" in first:
            return Context(text_of(first.get("session")), bool(first.get("parent")))
        return None

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        """The items of one row, each with the id of its record; and what nobody knows of it."""
        raise NotImplementedError

    def read_row(self, obj: Object, file: Context, state: State) -> Reading:
        """What one line of a row log says."""
        if not isinstance(state, Rows):
            return Reading(unknown("state"))
        if "schema" in obj:
            state.columns |= {table: list_of(names) for table, names in dict_of(obj.get("columns")).items()}
            state.cwd = text_of(obj.get("cwd")) or state.cwd
            return Reading("schema")
        table = text_of(obj.get("t"))
        if obj.get("gone") is True:
            return Reading(f"gone/{table}")
        key = "/".join(str(plain(part)) for part in list_of(obj.get("k")))
        values = dict(zip(state.columns.get(table, []), map(plain, list_of(obj.get("v"))), strict=False))
        if "of" in obj:
            values = {"key": key, "value": text_of(obj.get("j"))}
        items, odd = self.row(Row(table, key, values), file, state)
        return Reading(f"row/{table}", self.revised(items, file, state), unknown=odd)

    def revised(self, items: list[Item], file: Context, state: Rows) -> list[Item]:
        """Items of rows that are new, or say something else than before; those keep their exchange."""
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.id, []).append(item)
        told: list[Item] = []
        for name, group in groups.items():
            digest = hashlib.sha256(msgspec.json.encode(group)).digest()[:12]
            place = state.places.get(name)
            if place is None:
                if any(item.kind in OPENERS for item in group):
                    state.exchange = self.exchange_id(identifier(name), file)
                state.places[name] = Place(digest, state.exchange)
                told += group
            elif place.digest != digest:
                place.digest, place.revision = digest, place.revision + 1
                told += [
                    msgspec.structs.replace(item, revision=place.revision, exchange=place.exchange) for item in group
                ]
        return told


def plain(value: Any) -> Any:
    """A value of a row log as Python has it: text that is no UTF-8 with what can be read of it.

    >>> plain({"r": "3ff0000000000000"}), plain({"b": "AAE="}), plain(None)
    (1.0, b'\\x00\\x01', None)
    """
    if not isinstance(value, dict):
        return value
    try:
        if isinstance(real := value.get("r"), str):
            return struct.unpack(">d", bytes.fromhex(real))[0]
        if isinstance(text := value.get("t"), str):
            return base64.b64decode(text).decode("utf-8", "replace").replace("\0", "\ufffd")
        return base64.b64decode(text_of(value.get("b")))
    except (ValueError, struct.error):
        return None


def decoded(text: str) -> Any:
    """The value of a JSON text; None if it is none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def named(items: list[Item], name: str, when: str) -> list[Item]:
    """Items of one record."""
    return [msgspec.structs.replace(item, id=name, timestamp=item.timestamp or when) for item in items]
