"""What has changed in one session: its rows against the digests of those that were written down. Pure."""

from __future__ import annotations

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


class Delta(msgspec.Struct, frozen=True):
    """Lines to append, and what is to be noted of them."""

    lines: list[bytes]
    changed: list[tuple[Key, bytes]]
    gone: list[Key]


def delta_of(
    plan: Plan, session: str, rows: list[Row], parts: list[tuple[str, bytes, str]], noted: dict[Key, bytes]
) -> Delta:
    """The delta of a session; `parts` are table, key and JSON of what stands within the values of other rows."""
    lines: list[bytes] = []
    changed: list[tuple[Key, bytes]] = []
    gone = dict.fromkeys(noted)
    ordinals: dict[Key, int] = {}
    for table, row in rows:
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
    lines += [values.gone_line(name.removesuffix(PART), key) for name, key in gone]
    if not rows and not parts and not noted:
        return Delta([], [], [])
    header = values.header_line(plan.schema, plan.columns, {"session": session, **facts(plan, rows)})
    told = rows or parts or SCHEMA_KEY not in noted  # what a session that is gone said of itself holds
    if told and noted.get(SCHEMA_KEY) != (digest := values.digest(header)):
        changed.append((SCHEMA_KEY, digest))
        lines.insert(0, header)
    return Delta(lines, changed, list(gone))
