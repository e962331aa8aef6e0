"""A tracked file: what is known of it between one check and the next."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress

import msgspec

from mnemostream.contracts import codec, sources
from mnemostream.contracts.transcripts import Checkpoint
from mnemostream.runtime.bus import Message
from mnemostream.runtime.disk.files import Stat
from mnemostream.services.watcher.checkpoints import packed, reached, unpacked
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from mnemostream.services.watcher.parsing.segments import Cursor, Stamp, checkpoint
from mnemostream.services.watcher.parsing.units import FileOrigin

NEVER = Stamp("", 0)

FORGOTTEN = "forgotten"
"""Why a file is ignored whose session a person wanted gone."""


class Files(msgspec.Struct, frozen=True):
    """What the reading of every file needs."""

    host: str
    segment: int
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    attachment: int = 64 << 20
    """Bytes up to which a file beside a session is captured."""
    secrecy: Secrecy = Secrecy()
    touched: Callable[[], None] = lambda: None
    """Called after each piece that was read: the disk gives signs of life."""
    refused: set[str] = msgspec.field(default_factory=set)
    """Transcripts of which the log has refused records: the next save of a document brings all of them again."""


class TrackedFile:
    """What is known of one file."""

    __slots__ = (
        "cursor",
        "file",
        "ignored",
        "kept",
        "origin",
        "partial",
        "path",
        "rest_until",
        "root",
        "seen",
        "settled",
        "size",
        "source",
        "stamp",
        "stored_end",
        "stored_generation",
        "suspicious",
        "sweep",
        "transcript",
        "unproven",
    )

    def __init__(
        self, root: sources.Root, path: str, source: str = "", transcript: str = "", kept: bytes = b""
    ) -> None:
        last = unpacked(kept, transcript) if kept else None
        self.root = root
        self.path = path
        self.source = source
        """Name of the format, "" while the content did not tell."""
        self.kept = kept
        """Its checkpoint in few bytes, empty if there is none."""
        self.origin: FileOrigin | None = None
        self.transcript = transcript
        """Its id, "" while the source is not known."""
        self.cursor: Cursor | None = None
        self.settled: tuple[Cursor | None] | None = None
        """While nothing of the present generation was shipped: the cursor of the one before, if there was one. What is
        shipped next may follow on that alone."""
        self.stamp = NEVER
        self.seen: Stat | None = Stat(last.end, last.mtime_ns, last.ctime_ns) if last else None
        """The stat at which everything was captured."""
        self.partial: Stat | None = None
        """The stat at which a part was captured: nothing happened to the file while it is read on."""
        self.size = last.end if last else 0
        self.stored_generation, self.stored_end = (last.generation, last.end) if last else (0, 0)
        """What the log has acknowledged."""
        self.rest_until = 0.0
        """Monotonic time at which an unterminated last line counts as finished; 0 = there is none."""
        self.sweep = -1
        """Number of the sweep that saw the file last."""
        self.ignored = ""
        """Why the file is not captured; "" = it is."""
        self.file: io.FileIO | None = None
        """Held open while the file is active, so that its end can be read though it was deleted or replaced."""
        self.suspicious = False
        """True if the path now leads to another file: all of the content must be compared."""
        self.unproven = last.unproven if last else False
        """True if growth was judged by the edges alone, or the file was read right after a change."""

    @property
    def full(self) -> str:
        return os.path.join(self.root.place, *self.path.split("/"))

    @property
    def name(self) -> str:
        """The full path for people and logs."""
        return codec.printable(self.full)

    @property
    def is_forgotten(self) -> bool:
        """True if a person wanted its session gone."""
        return self.ignored == FORGOTTEN

    @property
    def checkpoint(self) -> Checkpoint | None:
        """From the log, or from a cursor that was put away; a new cursor is made by comparing the content with it."""
        return unpacked(self.kept, self.transcript) if self.kept else None

    @property
    def reached(self) -> tuple[int, int]:
        """Generation and end of what is captured."""
        return (self.cursor.generation, self.cursor.end) if self.cursor else reached(self.kept)

    @property
    def captured(self) -> int:
        return self.reached[1]

    @property
    def generation(self) -> int:
        return self.reached[0]

    def sighted(self, sweep: int, size: int) -> None:
        """A sweep has seen it. An equal number that is new would be one more object."""
        self.sweep = sweep
        if self.size != size:
            self.size = size

    def forgotten(self) -> None:
        """A person wanted its session gone; what we have written ourselves goes with it."""
        self.ignored = FORGOTTEN
        self.put_away()
        if self.root.rows or self.root.ours:
            with suppress(OSError):
                os.unlink(self.full)

    def put_away(self) -> None:
        """Frees the memory and the handle of a file at rest; the next change compares its content anew."""
        self.release()
        self.go_back()
        if self.cursor and self.origin:
            if self.cursor.end:
                self.kept = packed(checkpoint(self.cursor, self.origin, self.stamp))
            if self.kept and reached(self.kept)[0] == self.cursor.generation:
                self.cursor = self.origin = self.partial = None
                self.stamp = NEVER

    def go_back(self) -> bool:
        """Takes up the last generation that was shipped; False if it is the present one."""
        if self.settled is None:
            return False
        (before,), self.settled = self.settled, None
        if self.cursor and not self.cursor.begins:
            return False
        self.cursor = before
        return True

    def release(self) -> None:
        """Closes the handle."""
        if self.file:
            self.file.close()
            self.file = None


class Handle(io.FileIO):
    """An open file that tells of each reading."""

    def __init__(self, descriptor: int, touched: Callable[[], None]) -> None:
        super().__init__(descriptor)
        self.touched = touched

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.touched()
        return data


class ReadResult(msgspec.Struct, frozen=True):
    """The outcome of one reading: messages, whether more can be read at once, torn bytes left."""

    messages: list[Message] = []
    more: bool = False
    torn: int = 0
    rewritten: bool = False
    gone: bool = False
    counts: dict[str, int] = {}
