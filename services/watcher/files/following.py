"""The generation that follows when a file was rewritten: of a document, what it shares with the one before."""

from __future__ import annotations

import io

from mnemostream.contracts.transcripts import Base
from mnemostream.runtime.disk.generations import MOST_BASES
from mnemostream.runtime.secrets.pieces import CONTEXT
from mnemostream.services.watcher.files.access import pieces
from mnemostream.services.watcher.files.tracked import TrackedFile
from mnemostream.services.watcher.parsing.saves import BLOCK, Blocks, Save
from mnemostream.services.watcher.parsing.segments import Cursor
from mnemostream.services.watcher.parsing.units import FileOrigin


def fresh(origin: FileOrigin, generation: int = 0) -> Cursor:
    """At the beginning of a generation that is whole."""
    cursor = Cursor(origin.format.state(), generation)
    cursor.save = Save() if origin.is_saved else None
    return cursor


def following(known: TrackedFile, origin: FileOrigin, file: io.FileIO, size: int, *, replaces: bool) -> Cursor:
    """At the first byte that the last save did not have; every 64th generation is whole. `replaces` = secrets are
    replaced: what is shared ends before any that the new bytes may have made one."""
    whole = fresh(origin, known.generation + 1)
    last = known.cursor.save if known.cursor else None
    if known.cursor is None or last is None or last.depth >= MOST_BASES:
        return whole
    limit = max(0, size - 1)  # at least one byte is its own
    if replaces:
        limit = _fed(fresh(origin), last.blocks, file, limit).end - CONTEXT
    cursor = Cursor(origin.format.state(), known.generation + 1)
    cursor.save = Save(last.sent, last.depth + 1)
    if not _fed(cursor, last.blocks, file, limit).end:
        return whole
    cursor.base = Base(known.generation, cursor.end, cursor.hasher.hexdigest())
    cursor.replaced = known.cursor.replaced
    cursor.lineage = last.sent.lineage if last.sent else None
    return cursor


def _fed(cursor: Cursor, blocks: Blocks, file: io.FileIO, limit: int) -> Cursor:
    """Moves a cursor over what is as it was; the very bytes that are compared are hashed."""
    for data in pieces(file, 0, limit - limit % BLOCK):
        shared = blocks.shared(cursor.end // BLOCK, data)
        cursor.feed(data[:shared])
        if shared < len(data):
            break
    return cursor
