"""Which assistant wrote a file, and whether it is to be captured."""

from __future__ import annotations

import io
import os
import re

from mnemostream.contracts import codec, sources
from mnemostream.contracts.projects import admitted
from mnemostream.runtime.disk import packed
from mnemostream.runtime.disk.files import Stat
from mnemostream.services.watcher.files.access import read_at
from mnemostream.services.watcher.files.tracked import Files, TrackedFile
from mnemostream.services.watcher.formats import ATTACHMENT, SEALED, Identity, identify
from mnemostream.services.watcher.parsing.units import FileOrigin

HEAD = 64 * 1024
"""First bytes of a file that say which assistant wrote it and for which project."""


def identified(known: TrackedFile, file: io.FileIO, files: Files, now: Stat, *, rested: bool) -> bool:
    """Finds out what the file is; False while that is not known, or if it is not to be captured."""
    head = read_at(file, 0, HEAD)
    if not head and not known.kept:
        return False
    complete = now.size <= len(head)
    head = packed.head(known.path, head, HEAD)
    source = known.source or known.root.source
    if known.root.ours and known.path.split("/")[0] in sources.BY_NAME:
        source = known.path.split("/")[0]
    identity = None
    if known.root.seals(known.path):
        identity = Identity(SEALED[known.root.source], whole=True)
    elif _may_be_transcript(known):
        identity = identify(known.path, head, source, complete=complete, rested=rested)
    if identity is None and sources.attached(known.path):
        identity = Identity(ATTACHMENT, whole=True)
        if now.size > files.attachment:
            known.ignored = "too large"
            return False
        head = _head_of_session(known)
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
    if known.transcript != known.origin.transcript:  # else it is the same text: one object is enough
        known.transcript = known.origin.transcript
        known.stored_generation = known.stored_end = 0
    return True


def _may_be_transcript(known: TrackedFile) -> bool:
    """False for a file beside a session, and for one whose name is not that of a transcript below its home."""
    plain = known.path.removesuffix(sources.PACKED)
    named = not known.root.files or re.fullmatch(known.root.files, plain) is not None
    return named and not _certainly_attached(known.path)


def _certainly_attached(path: str) -> bool:
    """True for a file beside a session that cannot be a transcript; a JSON file there says by itself what it is."""
    return sources.is_output(path) or (sources.attached(path) and not path.endswith(".json"))


def _head_of_session(known: TrackedFile) -> bytes:
    """The head of the transcript that an attachment lies beside: its project decides whether both are captured."""
    session = sources.session_of(known.path)
    folders = known.full.split(os.sep)
    if session not in folders:
        return b""
    above = os.sep.join(folders[: folders.index(session)])
    for name in (os.path.join(above, f"{session}.jsonl"), os.path.join(above, session, "events.jsonl")):
        try:
            with open(name, "rb") as handle:
                return handle.read(HEAD)
        except OSError:
            continue
    return b""


def origin_of(known: TrackedFile, identity: Identity, host: str) -> FileOrigin:
    """The origin of a file that was identified."""
    transcript = codec.transcript_id(identity.format.name, host, known.root.folder, known.path)
    root, path = codec.printable(known.root.folder), codec.printable(known.path)
    context = identity.format.context(path.removesuffix(sources.PACKED), identity.first)
    return FileOrigin(
        transcript, host, root, path, identity.format, context, identity.whole, packed=packed.is_packed(path)
    )
