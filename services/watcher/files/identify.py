"""Which assistant wrote a file, and whether it is to be captured."""

from __future__ import annotations

import io

from contracts import codec, sources
from contracts.projects import admitted
from runtime.files import Stat
from services.watcher.files.access import read_at
from services.watcher.files.tracked import Files, TrackedFile
from services.watcher.formats import Identity, identify
from services.watcher.parsing.units import FileOrigin

HEAD = 64 * 1024
"""First bytes of a file that say which assistant wrote it and for which project."""


def identified(known: TrackedFile, file: io.FileIO, files: Files, now: Stat, *, rested: bool) -> bool:
    """Finds out what the file is; False while that is not known, or if it is not to be captured."""
    head = read_at(file, 0, HEAD)
    if not head and not known.checkpoint:
        return False
    complete = now.size <= len(head)
    identity = identify(known.path, head, known.source or known.root.source, complete=complete, rested=rested)
    if identity is None:
        known.ignored = "no transcript of a known assistant" if rested else ""
        return False
    canary = identity.format.name == sources.CANARY  # no project of anybody
    if not canary and not admitted(known.path, head, files.include, files.exclude):
        known.ignored = "excluded by settings"
        return False
    known.ignored = ""
    known.source = identity.format.name
    known.origin = origin_of(known, identity, files.host)
    known.transcript = known.origin.transcript
    return True


def origin_of(known: TrackedFile, identity: Identity, host: str) -> FileOrigin:
    """The origin of a file that was identified."""
    transcript = codec.transcript_id(identity.format.name, host, known.root.folder, known.path)
    root, path = codec.printable(known.root.folder), codec.printable(known.path)
    return FileOrigin(
        transcript, host, root, path, identity.format, identity.format.context(path, identity.first), identity.whole
    )
