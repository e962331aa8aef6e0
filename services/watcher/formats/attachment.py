"""Files beside a session: archived as they are, never read. Pure."""

from __future__ import annotations

from mnemostream.contracts import sources
from mnemostream.services.watcher.authorship.texts import Object
from mnemostream.services.watcher.formats.base import Context, Format, Reading, State


class Attachment(Format):
    """Outputs that were too large for the transcript, and what else an assistant keeps in a session's folder."""

    name = sources.ATTACHMENT
    documents = True
    opaque = True

    def context(self, path: str, first: Object | None = None) -> Context:
        return Context(sources.session_of(path))

    def sniff(self, first: Object) -> bool:
        return False

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        return Reading("attachment")


class Sealed(Attachment):
    """What an assistant has encrypted: archived as bytes, not readable. A parser that can read it one day reads the
    years before it, too."""

    def context(self, path: str, first: Object | None = None) -> Context:
        return Format.context(self, path)

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        return Reading("sealed")
