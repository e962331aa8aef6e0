"""Transcript formats: pure parsers, one module per source. Bytes of whole lines in, records out."""

from __future__ import annotations

import msgspec

from mnemostream.contracts import sources
from mnemostream.services.watcher.formats import lines
from mnemostream.services.watcher.formats.attachment import Attachment, Sealed
from mnemostream.services.watcher.formats.base import Format
from mnemostream.services.watcher.formats.claude import ClaudeCode
from mnemostream.services.watcher.formats.dialects import DIALECTS
from mnemostream.services.watcher.formats.logs.droid import Droid
from mnemostream.services.watcher.formats.messages import Messages

FORMATS: dict[str, Format] = {source.name: DIALECTS[source.dialect](source.name) for source in sources.SOURCES}
"""By assistant."""
CLAIMING = sorted(
    (FORMATS[name] for name in sources.CANONICAL.values()),
    key=lambda form: (type(form) is not Droid, form.name in ("claude-code", "codex"), type(form) is Messages),
)
"""One assistant of each dialect: it claims the files of a folder whose assistant nobody has named."""


class _Canary(ClaudeCode):
    """The synthetic lines of the end-to-end check; only in a root that says so."""

    name = sources.CANARY


CANARY = _Canary()
ATTACHMENT = Attachment()
SEALED: dict[str, Format] = {source.name: Sealed(source.name) for source in sources.SOURCES if source.sealed}

MARKDOWN = ".md"
FIRST_LINE = 64 * 1024
"""Bytes after which a first line without its newline says what it can."""


class Identity(msgspec.Struct, frozen=True):
    """Which format a file has, whether it is one document instead of lines, and its first object."""

    format: Format
    whole: bool
    first: lines.Object = {}


def identify(path: str, head: bytes, source: str, *, complete: bool, rested: bool = True) -> Identity | None:
    """The format of a file from its first bytes; None while they do not tell, or for a file of no assistant.

    `complete` says that `head` is the whole file, `rested` that no more of it is expected soon. Lines that
    nobody claims are Claude Code's: its files may begin with any bookkeeping record.
    """
    if source == sources.AUTO and path.endswith(MARKDOWN):
        return _of_words(head)
    objects = [obj for line in head.split(b"\n", 8)[:8] for _, obj in lines.read(line).objects]
    text = lines.without_preamble(head)
    document = text.lstrip()[:1] in (b"{", b"[") and not lines.read(text.split(b"\n", 1)[0]).objects
    if document and complete:
        objects = [obj for _, obj in lines.read(text, document=True).objects]
    if not rested and not objects and b"\n" not in head and len(head) < FIRST_LINE:
        return None  # the first line is being written
    if source != sources.AUTO and objects and "schema" in objects[0] and "format" in objects[0]:
        return Identity(FORMATS[source], False, objects[0])  # a row log
    if source != sources.AUTO:
        parser = CANARY if source == sources.CANARY else FORMATS[source]
        first = next((obj for obj in objects if parser.sniff(obj)), {})
    else:
        claim = next(((parser, obj) for obj in objects for parser in CLAIMING if parser.sniff(obj)), None)
        guess = FORMATS.get(sources.of_document(head)) if document and not claim else None
        if claim is None and guess is None and path.removesuffix(sources.PACKED).endswith(".json"):
            return None
        parser, first = claim or (guess or FORMATS["claude-code"], {})
    plain = path.removesuffix(sources.PACKED)
    whole = parser.documents and (document or "messages" in first or plain.endswith(".json"))
    return Identity(parser, whole, first)


def _of_words(head: bytes) -> Identity | None:
    """Markdown is a transcript if one of its first lines says so."""
    for line in head.split(b"\n", 8)[:8]:
        obj = lines.words(line).objects[0][1]
        for parser in CLAIMING:
            if parser.plain and parser.sniff(obj):
                return Identity(parser, False, obj)
    return None
