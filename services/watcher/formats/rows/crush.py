"""Crush, and OpenCode in Go before it: rows whose times are seconds. Pure; read off real files.

A row of a message is written again as the answer grows: the last state holds.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Item
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.rows.base import Row, RowFormat, Rows, RowsOnly, named
from mnemostream.services.watcher.formats.times import moment


class Crush(RowFormat, RowsOnly):
    """`parts` of a message: `[{type, data}]`. https://github.com/charmbracelet/crush, internal/message."""

    name = "crush"

    def row(self, row: Row, file: Context, state: Rows) -> tuple[list[Item], list[str]]:
        if row.table == "sessions":
            title = row.text("title")
            return ([Item(Kind.TITLE, title, id="title")] if title else []), []
        if row.table != "messages":
            return [], []
        said = Said(self.name, file.subagent)
        role = row.text("role")
        parts = [_flat(part) for part in map(dict_of, list_of(row.json("parts")))]
        if role == "user":
            said.user(parts)
        elif role in ("assistant", "tool"):
            said.assistant(parts)
        elif role == "system":
            said.add(Kind.INJECTED, "\n".join(text_of(part.get("text")) for part in parts))
        else:
            said.unknown.append(f"role={role[:40] or 'none'}")
        return named(said.items, row.text("id"), moment(row.first("created_at"))), said.unknown


def _flat(part: Object) -> Object:
    """A part and its data as one block."""
    return {**dict_of(part.get("data")), "type": text_of(part.get("type"))}
