"""What has changed in one session: its rows against the digests of those that were written down. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from mnemostream.runtime.rows import values
from mnemostream.runtime.rows.sessions import Row, facts
from mnemostream.runtime.rows.tables import Plan, key_bytes

Key = tuple[str, bytes]
"""Table and encoded key."""
SCHEMA_KEY: Key = ("", b"schema")
"""The place of the first line: it is written again when it has changed."""
PART = "#part"
"""Ends the name of a table, for parts of its values."""


class Lines(Protocol):
    """Takes lines in their order."""

    def append(self, line: bytes, /) -> None:
        """One more."""

    def __len__(self) -> int: ...


class Delta(msgspec.Struct, frozen=True):
    """What is to be noted of the lines to append, and the line that comes before them; b"" = none."""

    header: bytes
    changed: list[tuple[Key, bytes]]
    gone: list[Key]
    rows: int
    """How many were compared."""


def delta_of(
    plan: Plan,
    session: str,
    rows: Iterable[Row],
    parts: list[tuple[str, bytes, str]],
    noted: dict[Key, bytes],
    lines: Lines,
) -> Delta:
    """The delta of a session, its lines to `lines`; `parts` are table, key and JSON of what stands within the values of
    other rows."""
    changed: list[tuple[Key, bytes]] = []
    gone = dict.fromkeys(noted)
    ordinals: dict[Key, int] = {}
    told: dict[str, str] = {}
    count = 0
    for table, row in rows:
        count += 1
        facts(told, table, row)
        key: Key = (table.name, key_bytes(table, row))
        if not table.key:  # without a key: by content and ordinal
            ordinals[key] = ordinals.get(key, -1) + 1
            key = (table.name, values.encoded([*row, ordinals[key]]))
        state = values.encoded(row)
        gone.pop(key, None)
        if noted.get(key) != (digest := values.digest(state)):
            changed.append((key, digest))
            lines.append(values.state_line(table.name, key[1], state))
    for name, part_key, part in parts:
        key = (name + PART, part_key)
        gone.pop(key, None)
        if noted.get(key) != (digest := values.digest(part.encode())):
            changed.append((key, digest))
            lines.append(values.part_line(name, part_key, part))
    gone.pop(SCHEMA_KEY, None)
    for name, row_key in gone:
        lines.append(values.gone_line(name.removesuffix(PART), row_key))
    header = values.header_line(plan.schema, plan.columns, {"session": session, **told})
    anew = noted.get(SCHEMA_KEY) != (digest := values.digest(header))
    if anew and (count or parts or (noted and SCHEMA_KEY not in noted)):  # what a session that is gone said holds
        return Delta(header, [(SCHEMA_KEY, digest), *changed], list(gone), count)
    return Delta(b"", changed, list(gone), count)
